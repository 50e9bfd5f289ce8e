"""The promises of a vector index as a test class to inherit; an index exists when this passes.

A driver's whole test is a subclass with one fixture::

    class TestMyIndex(VectorIndexContract):
        durable = True

        @pytest_asyncio.fixture
        async def index(self, tmp_path):
            index = MyIndex(tmp_path)
            await index.open(embedder=EMBEDDER, dimension=DIMENSION)
            yield index
            await index.aclose()

The index is open and empty, and the suite may close and open it again. A subclass that replaces
a standard test is an error where it is defined, unless the replacement is marked
``@pytest.mark.xfail(reason="...")``. Needs pytest and pytest-asyncio (in any mode).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from cache_fabric.errors import BackendError, BackendUnavailable, ConfigurationError
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.testing._guarded import refuse_weakening
from cache_fabric.testing._index_search_half import SearchHalf
from cache_fabric.testing._index_suite import DIMENSION, EMBEDDER, direction, found, item_at

__all__ = ["DIMENSION", "EMBEDDER", "VectorIndexContract", "direction"]

_OPERATIONS: dict[str, Callable[[VectorIndex], Coroutine[Any, Any, object]]] = {
    "upsert": lambda index: index.upsert([item_at(0, "a")]),
    "search": lambda index: index.search(direction(0), partition="p", k=1),
    "partition_items": lambda index: index.partition_items("p", 1),
    "fetch": lambda index: index.fetch(["a"]),
    "delete": lambda index: index.delete(["a"]),
    "count": lambda index: index.count(),
    "clear": lambda index: index.clear(),
    "scrub": lambda index: index.scrub(),
}


@pytest.mark.asyncio
class VectorIndexContract(SearchHalf):
    """Every promise of `cache_fabric.indexes.base.VectorIndex`; give it the fixture ``index``.

    Attributes:
        durable: Vectors are there when the index is opened again after it was closed. Where it is
            false the suite checks that it comes back empty.
    """

    durable: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_weakening(cls, VectorIndexContract, "index")

    async def test_it_is_an_index(self, index: VectorIndex) -> None:
        assert isinstance(index, VectorIndex)
        assert index.name

    async def test_an_upsert_replaces(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        await index.upsert([item_at(60, "a")])
        [near] = await index.search(direction(0), partition="p", k=10)
        assert near.similarity == pytest.approx(0.5, abs=1e-5)
        assert await index.count() == 1

    async def test_of_one_id_twice_in_a_call_the_later_wins(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a"), item_at(90, "b"), item_at(60, "a", "other")])
        assert await found(index) == ["b"]
        [near] = await index.search(direction(0), partition="other", k=10)
        assert near.similarity == pytest.approx(0.5, abs=1e-5)
        assert await index.count() == 2

    async def test_an_id_moved_to_another_partition_leaves_the_old_one(
        self, index: VectorIndex
    ) -> None:
        await index.upsert([item_at(0, "a"), item_at(50, "b")])
        await index.upsert([item_at(0, "a", "other")])
        assert await found(index) == ["b"]
        assert await found(index, "other") == ["a"]
        assert (await index.count("p"), await index.count("other")) == (1, 1)

    async def test_the_index_keeps_its_own_copy_of_a_vector(self, index: VectorIndex) -> None:
        vector = direction(0)
        await index.upsert([VectorItem("a", "p", vector)])
        vector[:] = direction(180)
        [near] = await index.search(direction(0), partition="p", k=1)
        assert near.similarity == pytest.approx(1.0, abs=1e-5)

    async def test_a_deleted_vector_is_not_found(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a"), item_at(10, "b"), item_at(20, "c")])
        await index.delete(["a", "c", "a"])
        assert await found(index) == ["b"]
        assert await index.count() == 1

    async def test_a_deleted_id_can_come_back(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a"), item_at(10, "b")])
        await index.delete(["a"])
        await index.upsert([item_at(20, "a")])
        assert await found(index) == ["b", "a"]

    async def test_deleting_what_is_not_there_is_fine(self, index: VectorIndex) -> None:
        await index.delete(["unknown"])
        await index.upsert([item_at(0, "a")])
        await index.delete(["unknown", "also unknown"])
        assert await found(index) == ["a"]

    async def test_a_call_with_nothing_to_do_is_fine(self, index: VectorIndex) -> None:
        await index.upsert([])
        await index.delete([])
        assert await index.count() == 0

    async def test_it_counts_by_partition_and_in_all(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a"), item_at(0, "b"), item_at(0, "c", "other")])
        assert [await index.count(of) for of in ("p", "other", None)] == [2, 1, 3]

    async def test_a_cleared_index_is_empty_and_of_use(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a"), item_at(0, "b", "other")])
        await index.clear()
        assert await index.count() == 0
        assert await found(index) == []
        await index.upsert([item_at(0, "a")])
        assert await found(index) == ["a"]

    async def test_scrubbing_says_in_sentences_what_remains_and_keeps_what_lives(
        self, index: VectorIndex
    ) -> None:
        await index.upsert([item_at(0, "a"), item_at(60, "b"), item_at(90, "c", "other")])
        await index.delete(["b"])
        remains = await index.scrub()
        assert isinstance(remains, list | tuple)
        assert all(one.strip() for one in remains)
        assert await found(index) == ["a"]
        assert await index.count() == 2
        await index.upsert([item_at(30, "b")])
        assert await found(index) == ["a", "b"]

    async def test_no_write_is_lost_to_a_scrub(self, index: VectorIndex) -> None:
        before = [item_at(number, f"before {number}") for number in range(150)]
        await index.upsert(before)
        await asyncio.gather(
            index.scrub(),
            index.upsert([item_at(200, "new")]),
            index.upsert([item_at(60, "before 0", "other")]),
            index.delete(["before 1"]),
        )
        await index.delete(["before 2"])
        assert await index.count() == 149
        assert await index.count("other") == 1
        assert [item.id for item in await index.fetch(["new", "before 1", "before 2"])] == ["new"]

    async def test_a_vector_of_another_size_is_refused_with_its_whole_call(
        self, index: VectorIndex
    ) -> None:
        short = VectorItem("short", "p", np.ones(1, dtype=np.float32))
        with pytest.raises((BackendError, ConfigurationError)):
            await index.upsert([item_at(0, "a"), short])
        assert await index.count() == 0

    @pytest.mark.parametrize("number", [0.0, float("nan"), float("inf")])
    async def test_a_vector_without_a_direction_is_refused(
        self, index: VectorIndex, number: float
    ) -> None:
        vector = np.full(DIMENSION, number, dtype=np.float32)
        with pytest.raises((BackendError, ConfigurationError)):
            await index.upsert([item_at(0, "a"), VectorItem("none", "p", vector)])
        with pytest.raises((BackendError, ConfigurationError)):
            await index.search(vector, partition="p", k=1)
        assert await index.count() == 0

    async def test_the_items_of_a_partition_come_back(self, index: VectorIndex) -> None:
        put = [item_at(degrees, f"at {degrees}") for degrees in range(0, 180, 20)]
        await index.upsert([*put, item_at(0, "stranger", "other")])
        got = {item.id: item for item in await index.partition_items("p", 100)}
        assert set(got) == {item.id for item in put}
        for item in put:
            assert got[item.id].partition == "p"
            assert got[item.id].vector.dtype == np.float32
            assert got[item.id].vector == pytest.approx(item.vector, abs=1e-6)

    async def test_items_that_came_back_do_not_change(self, index: VectorIndex) -> None:
        await index.upsert([item_at(10, "a")])
        [item] = await index.partition_items("p", 10)
        await index.upsert([item_at(80, "a")])
        assert item.vector == pytest.approx(direction(10), abs=1e-6)

    async def test_items_come_back_by_their_ids(self, index: VectorIndex) -> None:
        await index.upsert([item_at(10, "a"), item_at(20, "b", "other"), item_at(30, "c")])
        got = {item.id: item for item in await index.fetch(["b", "unknown", "a"])}
        assert {key: item.partition for key, item in got.items()} == {"a": "p", "b": "other"}
        assert got["a"].vector.dtype == np.float32
        assert got["a"].vector == pytest.approx(direction(10), abs=1e-6)
        assert got["b"].vector == pytest.approx(direction(20), abs=1e-6)
        assert await index.fetch([]) == []

    async def test_not_more_items_come_back_than_asked_for(self, index: VectorIndex) -> None:
        await index.upsert([item_at(degrees, f"at {degrees}") for degrees in range(9)])
        items = await index.partition_items("p", 4)
        assert len({item.id for item in items}) == len(items) == 4

    async def test_no_concurrent_upsert_is_lost(self, index: VectorIndex) -> None:
        await asyncio.gather(
            *(
                index.upsert([item_at(n, f"{n}"), item_at(n, f"{n} too", "other")])
                for n in range(12)
            )
        )
        assert await found(index, k=100) == [f"{n}" for n in range(12)]
        assert await index.count() == 24

    async def test_opening_twice_is_fine_and_keeps_everything(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
        assert await found(index) == ["a"]

    @pytest.mark.parametrize(("embedder", "dimension"), [("other/8", DIMENSION), (EMBEDDER, 4)])
    async def test_vectors_of_another_embedder_are_never_mixed_in(
        self, index: VectorIndex, embedder: str, dimension: int
    ) -> None:
        await index.upsert([item_at(0, "a")])
        with pytest.raises(ConfigurationError):
            await index.open(embedder=embedder, dimension=dimension)
        assert await found(index) == ["a"]

    async def test_vectors_of_another_embedder_can_be_replaced(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        await index.open(embedder=EMBEDDER, dimension=DIMENSION, replace=True)
        assert await found(index) == ["a"]
        await index.open(embedder="other/8", dimension=DIMENSION, replace=True)
        assert await index.count() == 0
        await index.upsert([item_at(0, "b")])
        await index.aclose()
        await index.open(embedder=EMBEDDER, dimension=DIMENSION, replace=True)
        assert await index.count() == 0

    async def test_the_vectors_of_a_durable_index_outlast_it(self, index: VectorIndex) -> None:
        await index.upsert([item_at(10, "a"), item_at(20, "b"), item_at(0, "c", "other")])
        await index.delete(["b"])
        await index.aclose()
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
        assert await found(index) == (["a"] if self.durable else [])
        assert await index.count() == (2 if self.durable else 0)

    async def test_a_durable_index_remembers_its_embedder(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        await index.aclose()
        if not self.durable:
            await index.open(embedder="other/8", dimension=DIMENSION)
            assert await index.count() == 0
            return
        with pytest.raises(ConfigurationError) as raised:
            await index.open(embedder="other/8", dimension=DIMENSION)
        assert EMBEDDER in str(raised.value)
        assert "other/8" in str(raised.value)

    @pytest.mark.parametrize("operation", sorted(_OPERATIONS))
    async def test_a_closed_index_is_unavailable(self, index: VectorIndex, operation: str) -> None:
        await index.aclose()
        with pytest.raises(BackendUnavailable):
            await _OPERATIONS[operation](index)

    async def test_closing_twice_is_fine(self, index: VectorIndex) -> None:
        await index.aclose()
        await index.aclose()
