"""The index contract on the drivers that need no server, and the contract's own teeth."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache_fabric.errors import ConfigurationError
from cache_fabric.indexes._vector_log import VectorLog
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.indexes.qdrant import QdrantIndex
from cache_fabric.indexes.resident import ResidentIndex
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing._index_suite import item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract
from cache_fabric.types import Neighbor


async def opened(index: VectorIndex) -> AsyncIterator[VectorIndex]:
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    yield index
    await index.aclose()


class WarmIndex(ResidentIndex):
    """Answers every search from the process, never from the index behind."""

    async def search(self, vector: Any, *, partition: str | None, k: int) -> list[Neighbor]:
        assert partition is None or await self.warm(partition)
        return await super().search(vector, partition=partition, k=k)


class TestMemoryIndex(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        async for index in opened(MemoryIndex()):
            yield index


class TestColdResidentIndex(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        async for index in opened(ResidentIndex(MemoryIndex())):
            yield index


class TestWarmResidentIndex(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        async for index in opened(WarmIndex(MemoryIndex())):
            yield index


class TestStoredIndexInMemory(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        async for index in opened(StoredIndex(lambda: MemoryStore("n"))):
            yield index


class TestStoredIndexInSqlite(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[VectorIndex]:
        async for index in opened(StoredIndex(lambda: SqliteStore(tmp_path / "f.db", "n"))):
            yield index


class TestResidentIndexWithALog(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        log = VectorLog(lambda: MemoryStore("n"))
        async for index in opened(WarmIndex(MemoryIndex(), log=log)):
            yield index


class TestEmbeddedChromaIndex(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[VectorIndex]:
        async for index in opened(ChromaIndex(tmp_path, collection="contract")):
            yield index


class TestResidentChromaIndex(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[VectorIndex]:
        async for index in opened(WarmIndex(ChromaIndex(tmp_path, collection="contract"))):
            yield index


class TestQdrantIndexInMemory(VectorIndexContract):
    @pytest.fixture
    async def index(self) -> AsyncIterator[VectorIndex]:
        async for index in opened(QdrantIndex(":memory:", collection="contract")):
            yield index


class TestQdrantIndexInAFolder(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[VectorIndex]:
        async for index in opened(QdrantIndex(str(tmp_path), collection="contract")):
            yield index


async def replacement(self: VectorIndexContract, index: VectorIndex) -> None: ...


STANDARD = "test_closing_twice_is_fine"


def test_replacing_a_standard_test_is_an_error() -> None:
    with pytest.raises(TypeError, match=STANDARD):
        type("Weakened", (VectorIndexContract,), {STANDARD: replacement})


def test_removing_a_standard_test_is_an_error() -> None:
    with pytest.raises(TypeError, match=STANDARD):
        type("Weakened", (VectorIndexContract,), {STANDARD: None})


def test_hiding_a_standard_test_behind_a_mixin_is_an_error() -> None:
    mixin = type("Mixin", (), {STANDARD: replacement})
    with pytest.raises(TypeError, match=STANDARD):
        type("Weakened", (mixin, VectorIndexContract), {})


def test_an_xfail_needs_a_reason() -> None:
    body = {STANDARD: pytest.mark.xfail(replacement)}
    with pytest.raises(TypeError, match=STANDARD):
        type("Weakened", (VectorIndexContract,), body)


def test_an_explained_xfail_is_allowed() -> None:
    async def known(self: VectorIndexContract, index: VectorIndex) -> None: ...

    body = {STANDARD: pytest.mark.xfail(reason="issue 12")(known)}
    assert issubclass(type("Honest", (VectorIndexContract,), body), VectorIndexContract)


@pytest.mark.parametrize("partitions", [1, 2_000])
async def test_memory_is_given_back_when_vectors_go(partitions: int) -> None:
    vectors = np.random.default_rng(7).standard_normal((2_000, 256)).astype(np.float32)
    index = MemoryIndex()
    await index.open(embedder=EMBEDDER, dimension=256)
    tracemalloc.start()
    await index.upsert(
        [VectorItem(f"{n}", f"p{n % partitions}", vector) for n, vector in enumerate(vectors)]
    )
    full, _ = tracemalloc.get_traced_memory()
    await index.delete([f"{n}" for n in range(1, 2_000)])
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert await index.count() == 1
    assert left < full / 10


@pytest.mark.parametrize("max_vectors", [0, -1])
def test_residency_without_room_is_refused(max_vectors: int) -> None:
    with pytest.raises(ConfigurationError, match="max_vectors"):
        ResidentIndex(MemoryIndex(), max_vectors=max_vectors)


class SlowIndex(MemoryIndex):
    async def upsert(self, items: Sequence[VectorItem]) -> None:
        await asyncio.sleep(0)
        await super().upsert(items)


def test_a_resident_index_serves_several_loops_one_after_the_other() -> None:
    resident = ResidentIndex(SlowIndex())

    async def write_at_once() -> int:
        await resident.open(embedder=EMBEDDER, dimension=DIMENSION)
        await asyncio.gather(*(resident.upsert([item_at(n, f"{n}")]) for n in range(3)))
        count = await resident.count()
        await resident.aclose()
        return count

    assert [asyncio.run(write_at_once()), asyncio.run(write_at_once())] == [3, 3]
