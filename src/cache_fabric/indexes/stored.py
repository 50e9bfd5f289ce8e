"""Vectors kept in a store, searched in every process that shares it: no vector database needed.

Each vector is one entry of the cache half, which goes when its answer goes. At `open` a process
reads all of them once; from then on a log tells it what the others write (`VectorLog`). So plain
Redis or SQLite is enough, and a search never leaves the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cache_fabric.errors import BackendError, BackendUnavailable, ConfigurationError
from cache_fabric.indexes._block import as_row
from cache_fabric.indexes._expiring import ExpiringBlocks
from cache_fabric.indexes._vector_log import Note, VectorLog
from cache_fabric.indexes.base import VectorItem
from cache_fabric.stores.base import CommitConflict, Store, Write
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["StoredIndex"]

_VECTORS = "v/"
_ABOUT = "about"
_READ = 64  # ids a read, which has the short time of a lookup
_log = logging.getLogger("cache_fabric")


class _About(msgspec.Struct, frozen=True):
    embedder: str
    dimension: int


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """A stored vector: float32, least significant byte first; ``expires`` in epoch seconds."""

    partition: str
    vector: bytes
    expires: float | None


def _kept(item: VectorItem, row: Vector) -> _Kept:
    expires = None if item.ttl is None else time.time() + item.ttl
    return _Kept(item.partition, row.astype("<f4").tobytes(), expires)


_encode = msgspec.msgpack.Encoder().encode
_read_about = msgspec.msgpack.Decoder(_About).decode
_read_kept = msgspec.msgpack.Decoder(_Kept).decode


def _about(data: bytes) -> _About:
    try:
        return _read_about(data)
    except msgspec.DecodeError:
        return _About("an unknown embedder", 0)


class StoredIndex:
    """A `VectorIndex` whose vectors are kept in a store and searched in this process.

    Above ``max_vectors`` the partitions that were used longest ago are let go, and one that is
    larger alone takes no more: what is not here is not found, and a log line says so.

    Args:
        make_store: Makes the store, in a namespace that nothing else uses; called by every `open`.
            What it makes is opened and closed here.
        max_vectors: How many vectors this process may hold, about 1 KiB each at 256 dimensions.
    """

    name = "resident"

    def __init__(self, make_store: Callable[[], Store], *, max_vectors: int = 200_000) -> None:
        if max_vectors < 1:
            raise ConfigurationError(f"max_vectors: expected 1 or more, got {max_vectors!r}")
        self._log = VectorLog(make_store)
        self._max_vectors = max_vectors
        self._blocks: ExpiringBlocks | None = None
        self._embedder = ""
        self._writes = asyncio.Lock()
        self._warned = False

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        """As the protocol says; reads every vector once, some 30,000 a second from Redis."""
        asked = _About(embedder, dimension)
        if self._blocks is not None:
            if asked == _About(self._embedder, self._blocks.dimension):
                return
            if not replace:
                self._refuse(_About(self._embedder, self._blocks.dimension), asked)
        end = await self._log.open()
        try:
            await self._claim(asked, replace)
            blocks = await self._loaded(dimension)
        except BaseException:
            if self._blocks is None:
                await self._log.aclose()
            raise
        if self._blocks is None:
            # A lock sticks to the loop of its first use, and an index may be opened on another.
            self._writes = asyncio.Lock()
            self._log.follow(end, self)
        self._blocks, self._embedder = blocks, embedder

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        blocks = self._opened("upsert")
        rows = [self._row(blocks, item.vector, "upsert") for item in items]
        kept = {item.id: (item, _kept(item, row)) for item, row in zip(items, rows, strict=True)}
        writes = [Write(_VECTORS + key, _encode(k), item.ttl) for key, (item, k) in kept.items()]
        async with self._writes:
            await self._log.store.set_many(writes)
            for key, (_, vector) in kept.items():
                self._put(self._opened("upsert"), key, vector)
            await self._log.wrote([item for item, _ in kept.values()])

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        blocks = self._opened("search")
        return blocks.search(partition, self._row(blocks, vector, "search"), k)

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        return self._opened("partition_items").items(partition, limit)

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        return self._opened("fetch").fetch(ids)

    async def delete(self, ids: Sequence[str]) -> None:
        self._opened("delete")
        async with self._writes:
            await self._log.store.delete([_VECTORS + key for key in ids])
            self._opened("delete").discard_all(ids)
            await self._log.deleted(ids)

    async def count(self, partition: str | None = None) -> int:
        return self._opened("count").count(partition)

    async def clear(self) -> None:
        self._opened("clear")
        async with self._writes:
            await self._log.store.clear(_VECTORS)
            self._opened("clear").clear()
            await self._log.cleared()

    async def scrub(self) -> Sequence[str]:
        self._opened("scrub")
        return await self._log.store.scrub()

    async def apply(self, note: Note) -> None:
        """Read anew what another process wrote; what cannot be read is gone."""
        ids = [*note.gone, *(key for written in note.put.values() for key in written)]
        async with self._writes:
            blocks = self._opened("apply")
            if note.cleared:
                blocks.clear()
            for start in range(0, len(ids), _READ):
                page = ids[start : start + _READ]
                found = await self._log.store.get_many([_VECTORS + key for key in page])
                for key, data in zip(page, found, strict=True):
                    self._take(blocks, key, data)

    async def start_anew(self) -> None:
        """Read every vector again; the log does not tell what was missed."""
        async with self._writes:
            dimension = self._opened("start_anew").dimension
            await self._claim(_About(self._embedder, dimension), replace=False)
            self._blocks = await self._loaded(dimension)

    async def aclose(self) -> None:
        self._blocks = None
        await self._log.aclose()

    def _opened(self, operation: str) -> ExpiringBlocks:
        if self._blocks is None:
            raise BackendUnavailable(self.name, operation, "the index is not open")
        return self._blocks

    def _row(self, blocks: ExpiringBlocks, vector: Vector, operation: str) -> Vector:
        return as_row(vector, blocks.dimension, self.name, operation)

    async def _claim(self, asked: _About, replace: bool) -> None:
        """Write down whose vectors these are, or see that it is written so."""
        store = self._log.store
        while True:
            [record] = await store.read([_ABOUT])
            if record is not None:
                kept = _about(record.value)
                if kept == asked:
                    return
                if not replace:
                    self._refuse(kept, asked)
                await store.clear(_VECTORS)
            try:
                revision = 0 if record is None else record.revision
                about = Write(_ABOUT, _encode(asked))
                await store.commit([about], note=b"", expect={_ABOUT: revision})
            except CommitConflict:
                continue
            await self._log.cleared()

    def _refuse(self, kept: _About, asked: _About) -> None:
        raise ConfigurationError(
            f"index: the store holds vectors of {kept.embedder} ({kept.dimension} numbers), not of "
            f"{asked.embedder} ({asked.dimension} numbers): use the same embedder, another "
            "namespace=, or `cache-fabric reindex`, which replaces them"
        )

    async def _loaded(self, dimension: int) -> ExpiringBlocks:
        blocks = ExpiringBlocks(dimension, self._max_vectors)
        async for key, data in self._log.store.scan(_VECTORS):
            self._take(blocks, key.removeprefix(_VECTORS), data)
        return blocks

    def _take(self, blocks: ExpiringBlocks, key: str, data: bytes | None) -> None:
        """Hold what the store has under an id, or nothing if that is no vector of ours."""
        try:
            kept = None if data is None else _read_kept(data)
            if kept is not None:
                self._put(blocks, key, kept)
                return
        except (msgspec.DecodeError, BackendError, ValueError):
            pass  # junk, of another size, or without a direction
        blocks.discard(key)

    def _put(self, blocks: ExpiringBlocks, key: str, kept: _Kept) -> None:
        vector = self._row(blocks, np.frombuffer(kept.vector, dtype="<f4"), "read")
        whole = blocks.hold(VectorItem(key, kept.partition, vector), kept.expires)
        if not whole and not self._warned:
            self._warned = True
            _log.warning(
                "more than %d vectors: some answers are found by their exact question only; "
                "a vector database holds more (index=)",
                self._max_vectors,
            )
