"""What a search costs: an index in this process, and a whole lookup without the embedding."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cache_fabric.bench.timing import Row, interleaved
from cache_fabric.config import FabricConfig
from cache_fabric.factory import create_cache_fabric
from cache_fabric.indexes.base import VectorItem
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.types import CacheRequest, Hit, Miss

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["index_searches"]

_DIMENSION = 256
_SIZES = (1_000, 10_000, 40_000)


def index_searches(rounds: int = 300) -> list[Row]:
    """Measure searches of one partition and whole lookups, at 1,000, 10,000 and 40,000 vectors.

    The vectors are random, and the embedder looks them up in a table: what is measured is all of a
    lookup but the embedding. An exact search costs the same whatever the vectors are.
    """
    rows: list[Row] = []
    for size in _SIZES:
        vectors = _unit_vectors(size)
        rows.append(_search(vectors, rounds))
        rows += _lookups(vectors, rounds)
    return rows


def _search(vectors: Vector, rounds: int) -> Row:
    loop = asyncio.new_event_loop()
    index = MemoryIndex()
    items = [VectorItem(f"{n}", "p", vector) for n, vector in enumerate(vectors)]

    async def fill() -> None:
        await index.open(embedder="bench", dimension=_DIMENSION)
        await index.upsert(items)

    def search(number: int) -> Any:
        asked = vectors[number % len(vectors)]
        return loop.run_until_complete(index.search(asked, partition="p", k=8))

    loop.run_until_complete(fill())
    name = f"search of {len(vectors):,} vectors"
    p50, p99 = interleaved({name: search}, rounds)[name]
    loop.close()
    return Row(name, p50, p99)


def _lookups(vectors: Vector, rounds: int) -> list[Row]:
    """A semantic hit and a miss; questions are numbers, and ``again 7`` means the same as ``7``."""
    patient = FabricConfig(semantic_timeout=5.0, queue_entries=len(vectors), hot_entries=1)
    fabric = create_cache_fabric("memory", embedder=_Table(vectors), config=patient)
    with fabric.sync as opened:
        for number in range(len(vectors)):
            opened.store(_request(f"number {number}"), "the answer")
        opened.flush()

        def hit(number: int) -> None:
            found = opened.lookup(_request(f"the number {number % len(vectors)}"))
            assert isinstance(found, Hit), found

        def miss(number: int) -> None:
            found = opened.lookup(_request(f"unheard {number}"))
            assert isinstance(found, Miss), found
            opened.release(found.ticket)

        size = f"{len(vectors):,} entries, without embedding"
        names = {f"hit by meaning, {size}": hit, f"miss, {size}": miss}
        found = interleaved(names, rounds)
    bar = "at most 2 ms at 40,000" if len(vectors) == _SIZES[-1] else ""
    return [Row(name, *figures, bar=bar) for name, figures in found.items()]


class _Table:
    """An embedder that only looks up: the last word of a text is the row."""

    identity = "bench/256"

    def __init__(self, vectors: Vector) -> None:
        self._vectors = vectors

    async def open(self) -> None:
        return

    async def embed(self, texts: Any) -> Vector:
        return np.stack([self._row(text) for text in texts])

    async def aclose(self) -> None:
        return

    def _row(self, text: str) -> Vector:
        first, _, number = text.rpartition(" ")
        if first.endswith("number"):
            row: Vector = self._vectors[int(number)]
            return row
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
        return np.random.default_rng(seed).standard_normal(_DIMENSION, dtype=np.float32)


def _unit_vectors(count: int) -> Vector:
    vectors = np.random.default_rng(0).standard_normal((count, _DIMENSION), dtype=np.float32)
    unit: Vector = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])
