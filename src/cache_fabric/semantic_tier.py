"""The semantic tier: questions to vectors to neighbors, by an embedder and an index."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cache_fabric.config import FabricConfig
from cache_fabric.embedders.base import Embedder, unit_rows
from cache_fabric.freshness import longest_window
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.part import Part
from cache_fabric.types import CacheEntry, Neighbor
from cache_fabric.write_behind import PendingWrite

if TYPE_CHECKING:
    from cache_fabric.embedders.base import Matrix
    from cache_fabric.indexes.base import Vector

__all__ = ["QUESTIONS", "SemanticTier"]

QUESTIONS = "x:"
"""What the ids of vectors start with that are no answer's, but of a question of executions."""
_WIDER = 4
_WIDEST = 64


class SemanticTier:
    """An embedder and an index, opened together at first use.

    Args:
        index: Holds vectors and opaque ids.
        embedder: Its size is learned from one probe when it is opened.
        config: Time to open, and how long stale answers are of use.
        embedded: Hears which texts were embedded.
    """

    def __init__(
        self,
        index: VectorIndex,
        embedder: Embedder,
        config: FabricConfig,
        embedded: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._config = config
        self._embedded = embedded
        self._dimension: int | None = None
        self._opening = asyncio.Lock()  # an index may be opened at a first use and anew at once
        self._embedding = Part("embedder", self._open_embedder, open_timeout=config.open_timeout)
        self._searching = Part("index", self._open_index, open_timeout=config.open_timeout)

    @property
    def identity(self) -> str:
        """Identity of the embedder; part of every partition."""
        return self._embedder.identity

    @property
    def parts(self) -> tuple[Part, Part]:
        """Embedder and index, behind their breakers."""
        return self._embedding, self._searching

    @property
    def questions(self) -> str:
        """The partition of the questions of executions."""
        space = f"{QUESTIONS}1\0{self._config.namespace}\0{self.identity}"
        return hmac.digest(self._config.secret, space.encode(), "sha256").hex()

    @property
    def is_open(self) -> bool:
        """True once embedder and index have been opened."""
        return self._searching.is_open

    async def open(self) -> None:
        """Open embedder and index; raises what stands in the way."""
        await self._searching.open()

    async def ready(self, seconds: float) -> None:
        """Open at a first use, outside the budget of a lookup; raises `Degraded`."""
        if not self._searching.is_open:
            await self._searching.attempt(_nothing, seconds)

    async def vector(self, question: str, seconds: float) -> Vector:
        """Return the unit vector of a question within its budget, or raise `Degraded`."""
        vector: Vector = (await self.vectors([question], seconds))[0]
        return vector

    async def vectors(self, questions: Sequence[str], seconds: float) -> Matrix:
        """Return one unit vector a question within the budget of all, or raise `Degraded`."""
        return await self._embedding.attempt(lambda: self._embed(questions), seconds)

    async def neighbors(
        self,
        vector: Vector,
        partition: str,
        k: int,
        seconds: float,
        waiting: Sequence[PendingWrite] = (),
    ) -> list[Neighbor]:
        """Return the nearest of a partition within its budget, or raise `Degraded`.

        ``waiting`` are entries that are still on their way to the index: they are found as well.
        """
        found = await self._searching.attempt(
            lambda: self._index.search(vector, partition=partition, k=k), seconds
        )
        if not waiting:
            return found
        merged = {neighbor.id: neighbor for neighbor in found}
        for item in waiting:
            merged[item.key] = Neighbor(item.key, float(vector @ item.vector))
        return sorted(merged.values(), key=lambda n: n.similarity, reverse=True)[:k]

    async def add(self, items: Sequence[PendingWrite], seconds: float) -> None:
        """Index these questions, embedding those that no lookup has; raises `Degraded`."""
        unknown = [item.question or "" for item in items if item.vector is None]
        fresh = iter(
            await self._embedding.attempt(lambda: self._embed(unknown), seconds) if unknown else ()
        )
        vectors = [next(fresh) if item.vector is None else item.vector for item in items]
        rows = [
            VectorItem(item.key, item.partition, vector, item.ttl)
            for item, vector in zip(items, vectors, strict=True)
        ]
        await self._searching.attempt(lambda: self._index.upsert(rows), seconds)

    async def start_empty(self) -> None:
        """Open the index with nothing in it, whosever vectors it held; raises what hinders it."""
        await self._embedding.open()
        assert self._dimension is not None
        async with self._opening:
            await self._index.open(embedder=self.identity, dimension=self._dimension, replace=True)
        await self._searching.demand(self._index.clear)

    async def add_entries(self, entries: Sequence[CacheEntry]) -> None:
        """Index entries that have a question, embedding each; raises `BackendError`."""
        vectors = await self.embed([entry.question or "" for entry in entries])
        # As long as the entry itself is kept, which is past its expiry.
        now, window = time.time(), longest_window(self._config)
        rows = [
            VectorItem(
                entry.exact,
                entry.partition,
                vector,
                None if entry.expires is None else entry.expires + window - now,
            )
            for entry, vector in zip(entries, vectors, strict=True)
        ]
        await self._searching.demand(lambda: self._index.upsert(rows))

    async def remove(self, ids: Sequence[str], seconds: float) -> None:
        """Take entries out of the index; raises `Degraded`."""
        await self._searching.attempt(lambda: self._index.delete(ids), seconds)

    async def delete(self, ids: Sequence[str]) -> None:
        """Take entries out of the index; raises `BackendError`."""
        await self._searching.demand(lambda: self._index.delete(ids))

    async def scrub(self) -> Sequence[str]:
        """Have the index forget the bytes of what was deleted; returns what remains of them.

        Raises `BackendError`.
        """
        return await self._searching.demand(self._index.scrub)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector a text; raises `BackendError`."""
        return await self._embedding.demand(lambda: self._embed(texts))

    async def search(self, query: str, k: int) -> list[Neighbor]:
        """Return the nearest answers of all partitions; raises `BackendError`."""
        vector = (await self.embed([query]))[0]
        asked = k
        while True:
            found = await self._searching.demand(partial(self._search, vector, None, asked))
            answers = [one for one in found if not one.id.startswith(QUESTIONS)]
            # The questions of executions lie between them: look further for as many answers.
            if len(answers) >= k or len(found) < asked or asked >= k * _WIDEST:
                return answers[:k]
            asked *= _WIDER

    async def near_questions(self, text: str, k: int) -> list[Neighbor]:
        """Return the questions of executions nearest to a text; raises `BackendError`."""
        vector = (await self.embed([text]))[0]
        return await self._searching.demand(partial(self._search, vector, self.questions, k))

    async def surplus_questions(self, most: int, seconds: float) -> list[str]:
        """Return ids of as many questions as are too many, in no order; raises `Degraded`."""
        count = await self._searching.attempt(lambda: self._index.count(self.questions), seconds)
        if count <= most:
            return []
        items = await self._searching.attempt(
            lambda: self._index.partition_items(self.questions, count - most), seconds
        )
        return [item.id for item in items]

    async def clear(self) -> None:
        """Forget every answer's vector; raises `BackendError`."""
        kept: list[VectorItem] = []
        count = await self._searching.demand(lambda: self._index.count(self.questions))
        if count:
            kept = await self._searching.demand(
                lambda: self._index.partition_items(self.questions, count)
            )
        await self._searching.demand(self._index.clear)
        if kept:
            await self._searching.demand(lambda: self._index.upsert(kept))

    async def _search(self, vector: Vector, partition: str | None, k: int) -> list[Neighbor]:
        return await self._index.search(vector, partition=partition, k=k)

    async def _embed(self, texts: Sequence[str]) -> Matrix:
        raw = await self._embedder.embed(texts)
        if self._embedded is not None:
            self._embedded(texts)
        return unit_rows(raw, len(texts), self._dimension, self._embedder.identity)

    async def _open_embedder(self) -> None:
        await self._embedder.open()
        self._dimension = (await self._embed(["dimension"])).shape[1]

    async def _open_index(self) -> None:
        await self._embedding.open()
        assert self._dimension is not None
        async with self._opening:
            await self._index.open(embedder=self.identity, dimension=self._dimension)


async def _nothing() -> None:
    return
