"""What it costs to share vectors over processes by plain Redis."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time

import numpy as np

from cache_fabric.bench.timing import Row
from cache_fabric.indexes._vector_log import Note
from cache_fabric.indexes.base import VectorItem
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.redis import RedisStore

__all__ = ["shared_vectors"]

_DIMENSION = 256
_BATCH = 256


class _Heard(StoredIndex):
    """Says when it has caught up with a batch of another index."""

    def __init__(self, url: str) -> None:
        super().__init__(lambda: RedisStore(url, "bench"))
        self.heard = asyncio.Event()

    async def apply(self, note: Note) -> None:
        await super().apply(note)
        self.heard.set()


def shared_vectors(rounds: int = 200, count: int = 40_000) -> list[Row]:
    """Measure writing, opening and hearing of vectors, on the wheel's server.

    Two indexes with connections of their own stand for two processes; one loop serves both.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(f"embedded://{folder}/server", rounds, count))


async def _measured(url: str, rounds: int, count: int) -> list[Row]:
    vectors = np.random.default_rng(0).standard_normal((count, _DIMENSION), dtype=np.float32)
    items = [VectorItem(f"{n:064}", f"{n % 20:064}", vector) for n, vector in enumerate(vectors)]
    writer, reader = _Heard(url), _Heard(url)
    await writer.open(embedder="bench", dimension=_DIMENSION)
    written = []
    for start in range(0, count, _BATCH):
        begun = time.perf_counter()
        await writer.upsert(items[start : start + _BATCH])
        written.append(1e6 * (time.perf_counter() - begun))
    begun = time.perf_counter()
    await reader.open(embedder="bench", dimension=_DIMENSION)
    opened = 1e6 * (time.perf_counter() - begun)
    heard = []
    for number in range(rounds):
        reader.heard.clear()
        begun = time.perf_counter()
        await writer.upsert([VectorItem(f"new {number}", "p", vectors[number])])
        await reader.heard.wait()
        heard.append(1e6 * (time.perf_counter() - begun))
    await reader.aclose()
    await writer.aclose()
    return [
        _row(f"write of {_BATCH} vectors", written),
        Row(f"open with {count:,} vectors", opened, opened),
        _row("from a write to its being found by another", heard),
    ]


def _row(name: str, times: list[float]) -> Row:
    return Row(name, statistics.median(times), statistics.quantiles(times, n=100)[98])
