"""What `ResidentIndex` adds to the index contract: residency, its limits, and no lost writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from cache_fabric.errors import BackendError, BackendUnavailable
from cache_fabric.indexes._vector_log import Note, VectorLog
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.indexes.resident import ResidentIndex
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.testing._index_suite import found, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER
from cache_fabric.types import Neighbor


class WatchedIndex(MemoryIndex):
    """Counts what it is asked, and can hold back what it has read or written."""

    def __init__(self) -> None:
        super().__init__()
        self.searches = 0
        self.loads = 0
        self.fetches = 0
        self.read = asyncio.Event()
        self.deliver = asyncio.Event()
        self.deliver.set()
        self.acknowledge = asyncio.Event()
        self.acknowledge.set()

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        await super().upsert(items)
        await self.acknowledge.wait()

    async def search(self, vector: Any, *, partition: str | None, k: int) -> list[Neighbor]:
        self.searches += 1
        return await super().search(vector, partition=partition, k=k)

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        self.fetches += 1
        return await super().fetch(ids)

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        self.loads += 1
        items = await super().partition_items(partition, limit)
        self.read.set()
        await self.deliver.wait()
        return items


@pytest.fixture
async def inner() -> WatchedIndex:
    index = WatchedIndex()
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    return index


@pytest.fixture
async def resident(inner: WatchedIndex) -> AsyncIterator[ResidentIndex]:
    index = ResidentIndex(inner, max_vectors=4)
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    yield index
    await index.aclose()


async def test_a_resident_partition_is_searched_without_the_inner_index(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await inner.upsert([item_at(0, "a")])
    assert await found(resident) == ["a"]
    assert await resident.warm("p")
    assert await found(resident) == ["a"]
    assert (inner.searches, inner.loads) == (1, 1)
    assert resident.resident == {"p"}


async def test_a_search_does_not_wait_for_the_load_it_starts(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await inner.upsert([item_at(0, "a")])
    inner.deliver.clear()
    assert await found(resident) == ["a"]
    await inner.read.wait()
    assert await found(resident) == ["a"]
    assert (inner.searches, inner.loads) == (2, 1)


async def test_that_a_partition_is_empty_is_resident_too(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.warm("p")
    assert await found(resident) == []
    assert inner.searches == 0


@pytest.fixture
async def loading(resident: ResidentIndex, inner: WatchedIndex) -> AsyncIterator[asyncio.Event]:
    """A load of ``old`` and ``older`` that has read and not delivered yet; set to let it finish."""
    await inner.upsert([item_at(10, "old"), item_at(20, "older")])
    inner.deliver.clear()
    warming = asyncio.create_task(resident.warm("p"))
    await inner.read.wait()
    yield inner.deliver
    inner.deliver.set()
    await warming


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda index: index.upsert([item_at(0, "new")]), ["new", "old", "older"]),
        (lambda index: index.upsert([item_at(30, "old")]), ["older", "old"]),
        (lambda index: index.delete(["old"]), ["older"]),
        (lambda index: index.upsert([item_at(0, "old", "other")]), ["older"]),
    ],
    ids=["new", "replaced", "deleted", "moved away"],
)
async def test_a_write_during_a_load_is_not_lost(
    resident: ResidentIndex,
    inner: WatchedIndex,
    loading: asyncio.Event,
    write: Callable[[VectorIndex], Any],
    expected: list[str],
) -> None:
    await write(resident)
    loading.set()
    assert await resident.warm("p")
    assert await found(resident) == expected
    assert (inner.searches, inner.loads) == (0, 1)


async def test_what_was_cleared_during_a_load_stays_away(
    resident: ResidentIndex, inner: WatchedIndex, loading: asyncio.Event
) -> None:
    await resident.clear()
    loading.set()
    assert await resident.warm("p")
    assert await found(resident) == []
    assert inner.loads == 2


async def test_a_load_begun_after_a_forgotten_one_loses_no_write(
    resident: ResidentIndex, inner: WatchedIndex, loading: asyncio.Event
) -> None:
    inner.read.clear()
    resident.forget("p")
    await found(resident)
    await inner.read.wait()
    await resident.upsert([item_at(0, "new")])
    loading.set()
    assert await resident.warm("p")
    assert await found(resident) == ["new", "old", "older"]
    assert inner.loads == 2


async def test_closing_ends_a_load(resident: ResidentIndex, loading: asyncio.Event) -> None:
    before = asyncio.all_tasks()
    await resident.aclose()
    assert before - asyncio.all_tasks()


async def test_writes_reach_a_resident_partition_in_the_order_of_the_inner_index(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.warm("p")
    inner.acknowledge.clear()
    async with asyncio.TaskGroup() as writes:
        writes.create_task(resident.upsert([item_at(0, "a")]))
        writes.create_task(resident.delete(["a"]))
        await asyncio.sleep(0)
        inner.acknowledge.set()
    assert (await found(resident), await found(inner)) == ([], [])


async def test_few_partitions_load_at_once(resident: ResidentIndex, inner: WatchedIndex) -> None:
    inner.deliver.clear()
    for number in range(10):
        await found(resident, f"p{number}")
    await inner.read.wait()
    assert (inner.searches, inner.loads) == (10, 4)


async def test_a_write_is_refused_by_the_inner_index_first(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.upsert([item_at(0, "a")])
    await resident.warm("p")
    await inner.aclose()
    with pytest.raises(BackendUnavailable):
        await resident.upsert([item_at(0, "b")])
    with pytest.raises(BackendUnavailable):
        await resident.delete(["a"])
    assert await found(resident) == ["a"]


async def test_the_least_recently_searched_partition_leaves(resident: ResidentIndex) -> None:
    await resident.upsert([item_at(n, f"{n} of {p}", p) for p in ("a", "b", "c") for n in range(2)])
    await resident.warm("a")
    await resident.warm("b")
    await found(resident, "a")
    await resident.warm("c")
    assert resident.resident == {"a", "c"}


async def test_a_growing_partition_pushes_others_out(resident: ResidentIndex) -> None:
    await resident.upsert([item_at(0, "a", "a"), item_at(0, "b", "b")])
    await resident.warm("a")
    await resident.warm("b")
    await resident.upsert([item_at(n, f"{n}", "b") for n in range(3)])
    assert resident.resident == {"b"}


async def test_empty_partitions_are_bounded_too(resident: ResidentIndex) -> None:
    for number in range(10):
        await resident.warm(f"empty {number}")
    assert len(resident.resident) == 4


async def test_a_partition_that_is_too_large_is_read_once_and_not_kept(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await inner.upsert([item_at(n, f"{n}") for n in range(5)])
    assert not await resident.warm("p")
    assert not await resident.warm("p")
    assert len(await found(resident)) == 5
    assert inner.loads == 1


async def test_a_forgotten_partition_may_have_become_small_enough(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await inner.upsert([item_at(n, f"{n}") for n in range(5)])
    assert not await resident.warm("p")
    await inner.delete(["0"])
    resident.forget("p")
    assert await resident.warm("p")


async def test_a_partition_that_grows_too_large_leaves_alone(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.warm("other")
    await resident.warm("p")
    await resident.upsert([item_at(n, f"{n}") for n in range(5)])
    assert resident.resident == {"other"}
    assert len(await found(resident)) == 5
    assert inner.loads == 2


async def test_a_forgotten_partition_shows_what_another_process_wrote(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.warm("p")
    await inner.upsert([item_at(0, "theirs")])
    resident.forget("p")
    assert await found(resident) == ["theirs"]
    await resident.warm("p")
    assert await found(resident) == ["theirs"]


async def test_an_id_that_another_process_moved_is_in_one_partition(
    resident: ResidentIndex, inner: WatchedIndex
) -> None:
    await resident.upsert([item_at(0, "a")])
    await resident.warm("p")
    await inner.upsert([item_at(0, "a", "other")])
    await resident.warm("other")
    assert (await found(resident), await found(resident, "other")) == ([], ["a"])


class BrokenIndex(WatchedIndex):
    broken = True

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        if self.broken:
            raise BackendError(self.name, "partition_items", "the disk is gone")
        return await super().partition_items(partition, limit)


async def test_a_failed_load_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    inner = BrokenIndex()
    resident = ResidentIndex(inner)
    await resident.open(embedder=EMBEDDER, dimension=DIMENSION)
    await resident.upsert([item_at(0, "a")])
    with caplog.at_level(logging.WARNING):
        assert not await resident.warm("p")
    assert "the disk is gone" in caplog.text
    assert await found(resident) == ["a"]
    inner.broken = False
    await resident.warm("p")
    assert resident.resident == {"p"}


@pytest.fixture
async def others(inner: WatchedIndex) -> AsyncIterator[tuple[ResidentIndex, ResidentIndex]]:
    """Two processes' views of one index, that hear of each other by one log."""
    store = MemoryStore("vectors")
    ours, theirs = (ResidentIndex(inner, log=VectorLog(lambda: store)) for _ in range(2))
    for index in (ours, theirs):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    yield ours, theirs
    await ours.aclose()
    await theirs.aclose()


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda index: index.upsert([item_at(0, "new")]), ["new", "old", "older"]),
        (lambda index: index.upsert([item_at(30, "old")]), ["older", "old"]),
        (lambda index: index.delete(["old"]), ["older"]),
        (lambda index: index.upsert([item_at(0, "old", "other")]), ["older"]),
        (lambda index: index.clear(), []),
    ],
    ids=["new", "replaced", "deleted", "moved away", "cleared"],
)
async def test_what_another_process_writes_is_followed(
    others: tuple[ResidentIndex, ResidentIndex],
    inner: WatchedIndex,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[VectorIndex], Any],
    expected: list[str],
) -> None:
    ours, theirs = others
    await inner.upsert([item_at(10, "old"), item_at(20, "older")])
    await ours.warm("p")
    heard = asyncio.Event()
    apply = ours.apply

    async def applied(note: Note) -> None:
        await apply(note)
        heard.set()

    monkeypatch.setattr(ours, "apply", applied)
    await write(theirs)
    await heard.wait()
    searches = inner.searches
    assert await found(ours) == expected
    assert inner.searches == searches + (not expected)  # a cleared index is not resident


async def test_what_was_written_in_partitions_that_are_not_resident_is_not_read(
    others: tuple[ResidentIndex, ResidentIndex], inner: WatchedIndex
) -> None:
    await others[0].apply(Note("them", put={"p": ["a"]}))
    assert inner.fetches == 0
