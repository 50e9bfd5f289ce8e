"""Vectors kept by Chroma: embedded in this process, or on a Chroma server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cache_fabric.errors import BackendUnavailable, ConfigurationError, MissingExtraError

try:
    from chromadb import Collection
    from chromadb.errors import InvalidArgumentError, NotFoundError
except ModuleNotFoundError as error:
    raise MissingExtraError("chroma", "the Chroma index") from error

from cache_fabric.indexes import _chroma_rows
from cache_fabric.indexes._block import as_row
from cache_fabric.indexes._chroma_errors import translated
from cache_fabric.indexes._chroma_places import ChromaFolder, ChromaPlace, ChromaServer
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from chromadb.api import ServerAPI

    from cache_fabric.indexes.base import Vector

__all__ = ["ChromaIndex"]

_T = TypeVar("_T")

_MAX_BATCH = 500
"""Rows a write; all calls share one thread, and a search waits for the write before it."""
_COPIED = 100  # rows at a time, for the same reason


class ChromaIndex:
    """A `VectorIndex` in one Chroma collection, which holds ids, vectors and partition hashes.

    Args:
        place: A folder for an embedded Chroma, or what `server` makes.
        collection: Name of the collection, 3 to 512 of ``a-z A-Z 0-9 . _ -``; one a namespace.
    """

    def __init__(self, place: str | Path | ChromaPlace, *, collection: str) -> None:
        self._place = ChromaFolder(place) if isinstance(place, str | Path) else place
        self.name = self._place.name
        self._collection_name = collection
        self._worker: ThreadPoolExecutor | None = None
        self._dimension: int | None = None
        # The rest belongs to the worker thread between `open` and `aclose`.
        self._api: ServerAPI | None = None
        self._collection: Collection | None = None
        self._identity: dict[str, str | int] = {}
        self._batch = 1
        # Ids that were written since a scrub began; without one nobody reads it.
        self._touched: set[str] = set()

    @classmethod
    def from_url(cls, url: str, namespace: str) -> ChromaIndex:
        """An index for ``chroma:///folder``, ``chroma+http://host:port`` or ``chroma+https://``.

        Each namespace has a collection of its own.
        """
        # Chroma allows fewer characters in a name than a namespace may hold.
        collection = "cache-fabric-" + hashlib.sha256(namespace.encode()).hexdigest()[:16]
        scheme, _, rest = url.partition("://")
        if scheme == "chroma":
            return cls(rest, collection=collection)
        address = urlsplit(url)
        if not address.hostname:
            raise ConfigurationError("index: expected chroma+http://host:port")
        secure = scheme == "chroma+https"
        port = address.port or (443 if secure else 8000)
        return cls.server(address.hostname, port, collection=collection, ssl=secure)

    @classmethod
    def embedded(cls, path: str | Path, *, collection: str) -> ChromaIndex:
        """An index in a folder, which this process alone may use; durable."""
        return cls(path, collection=collection)

    @classmethod
    def server(
        cls,
        host: str,
        port: int = 8000,
        *,
        collection: str,
        ssl: bool = False,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> ChromaIndex:
        """An index on a Chroma server, which many processes may share; ``timeout`` in seconds."""
        place = ChromaServer(host, port, ssl=ssl, headers=headers, timeout=timeout)
        return cls(place, collection=collection)

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="cache-fabric-chroma")
        identity: dict[str, str | int] = {"embedder": embedder, "dimension": dimension}
        await self._on_worker("open", lambda: self._connect(identity, replace))
        self._dimension = dimension

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        latest = {item.id: (item, self._row(item.vector, "upsert")) for item in items}
        rows = list(latest.values())
        self._touched.update(latest)
        for start in range(0, len(rows), self._batch):
            batch = rows[start : start + self._batch]
            await self._run("upsert", partial(_chroma_rows.write, rows=batch))

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        row = self._row(vector, "search")
        if k < 1:
            return []
        return await self._run("search", lambda it: _chroma_rows.nearest(it, row, partition, k))

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        return await self._run(
            "partition_items", lambda it: _chroma_rows.items(it, partition, limit)
        )

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        found: list[VectorItem] = []
        for start in range(0, len(ids), self._batch):
            batch = list(ids[start : start + self._batch])
            found += await self._run("fetch", partial(_chroma_rows.fetch, ids=batch))
        return found

    async def delete(self, ids: Sequence[str]) -> None:
        unique = list(dict.fromkeys(ids))
        self._touched.update(unique)
        for start in range(0, len(unique), self._batch):
            batch = unique[start : start + self._batch]
            await self._run("delete", partial(_chroma_rows.delete, ids=batch))

    async def count(self, partition: str | None = None) -> int:
        return await self._run("count", lambda it: _chroma_rows.count(it, partition))

    async def clear(self) -> None:
        await self._run("clear", lambda _: self._recreate())

    async def scrub(self) -> Sequence[str]:
        """As the protocol says; some 2,000 vectors a second, and searches go on meanwhile.

        The graph of a collection keeps vectors for good, so its rows go into another one, which
        then takes its place. A process that dies in between leaves the collection as it was, or in
        the last milliseconds an empty one, which ``cache-fabric reindex`` fills.
        """
        if isinstance(self._place, ChromaFolder):
            self._touched = set()
            successor = await self._run("scrub", lambda _: self._begun())
            ids = await self._run("scrub", _chroma_rows.ids_of)
            for start in range(0, len(ids), _COPIED):
                batch = ids[start : start + _COPIED]
                await self._run("scrub", partial(_chroma_rows.copy, other=successor, ids=batch))
            await self._run("scrub", partial(self._succeed, successor))
        return await self._on_worker("scrub", self._place.sweep)

    async def aclose(self) -> None:
        worker, self._worker, self._dimension = self._worker, None, None
        if worker is None:
            return
        closing = asyncio.get_running_loop().run_in_executor(worker, self._disconnect)
        worker.shutdown(wait=False)
        with translated(self.name, "aclose"):
            await closing

    def _row(self, vector: Vector, operation: str) -> Vector:
        if self._dimension is None:
            raise self._not_open(operation)
        return as_row(vector, self._dimension, self.name, operation)

    def _not_open(self, operation: str) -> BackendUnavailable:
        return BackendUnavailable(self.name, operation, "the index is not open")

    async def _run(self, operation: str, work: Callable[[Collection], _T]) -> _T:
        return await self._on_worker(operation, lambda: self._attempt(operation, work))

    async def _on_worker(self, operation: str, work: Callable[[], _T]) -> _T:
        if self._worker is None:
            raise self._not_open(operation)
        with translated(self.name, operation):
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _attempt(self, operation: str, work: Callable[[Collection], _T]) -> _T:
        if self._collection is None:
            raise self._not_open(operation)
        try:
            return work(self._collection)
        except NotFoundError:
            # Another process cleared it: the collection of this name has another id now.
            self._collection = self._resolve()
            return work(self._collection)

    def _connect(self, identity: dict[str, str | int], replace: bool) -> None:
        if self._collection is not None:
            if not replace:
                self._refuse_other(self._identity, identity)
            elif identity != self._identity:
                self._identity = identity
                self._recreate()
            return
        try:
            self._api = self._place.connect()
            self._batch = max(1, min(self._api.get_max_batch_size(), _MAX_BATCH))
            self._identity = identity
            self._collection = self._replaced() if replace else self._resolve()
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        self._collection = self._api = None
        self._place.disconnect()

    def _resolve(self, name: str | None = None) -> Collection:
        """The collection of our name, made if need be, checked to hold this embedder's vectors."""
        assert self._api is not None
        try:
            model = self._api.get_or_create_collection(
                name or self._collection_name,
                configuration={"hnsw": {"space": "cosine"}},
                metadata=dict(self._identity),
            )
        except InvalidArgumentError as error:
            raise ConfigurationError(f"collection: {error}") from error
        collection = Collection(self._api, model, embedding_function=None)
        self._refuse_other(dict(collection.metadata or {}), self._identity)
        space = (collection.configuration_json.get("hnsw") or {}).get("space")
        if space != "cosine":
            raise ConfigurationError(
                f"collection: {self._collection_name} of {self.name} was made for {space} "
                "distances, not for cosine: use another path= or another namespace="
            )
        return collection

    def _refuse_other(self, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        if any(kept.get(key) != value for key, value in asked.items()):
            raise ConfigurationError(
                f"collection {self._collection_name} of {self.name} holds vectors of "
                f"{kept.get('embedder', 'an unknown embedder')} ({kept.get('dimension')} numbers), "
                f"not of {asked['embedder']} ({asked['dimension']} numbers): use the same "
                "embedder, another namespace=, or `cache-fabric reindex`, which deletes them"
            )

    def _replaced(self) -> Collection:
        """As `_resolve`, but a collection of another embedder gives way to an empty one."""
        try:
            return self._resolve()
        except ConfigurationError:
            assert self._api is not None
            self._api.delete_collection(self._collection_name)
            return self._resolve()

    def _begun(self) -> Collection:
        """An empty successor of the collection; one that was left half full is deleted."""
        assert self._api is not None
        name = f"{self._collection_name}.scrubbed"
        with suppress(NotFoundError):
            self._api.delete_collection(name)
        return self._resolve(name)

    def _succeed(self, successor: Collection, collection: Collection) -> None:
        """Copy what was written meanwhile, and take the place of the collection."""
        assert self._api is not None
        theirs, ours = _chroma_rows.ids_of(collection), _chroma_rows.ids_of(successor)
        late = list(self._touched | set(theirs).symmetric_difference(ours))
        for start in range(0, len(late), self._batch):
            _chroma_rows.copy(collection, successor, late[start : start + self._batch])
        self._api.delete_collection(self._collection_name)
        successor.modify(name=self._collection_name)
        self._collection = self._resolve()

    def _recreate(self) -> None:
        # Deleting row by row takes 2 s for 10,000 rows, this 12 ms.
        assert self._api is not None
        self._api.delete_collection(self._collection_name)
        self._collection = self._resolve()
