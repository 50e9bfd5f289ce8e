"""The record half of the store contract: atomic commits, the change log, waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from cache_fabric.stores.base import Change, Changes, CommitConflict, Record, Store, Write
from cache_fabric.testing._store_suite import HOSTILE_KEYS, ManualClock, OpenStore, StoreSuite

__all__ = ["RecordHalf"]

_NEVER = 3600.0
_SOON = 30.0


class RecordHalf(StoreSuite):
    """Tests of `read`, `records`, `commit`, `changes` and `wait`."""

    async def test_a_record_carries_the_revision_that_wrote_it(self, store: Store) -> None:
        await store.commit([Write("a", b"1"), Write("b", b"2")], note=b"")
        await store.commit([Write("b", b"3")], note=b"")
        assert await store.read(["a", "b"]) == [Record("a", b"1", 1), Record("b", b"3", 2)]

    async def test_records_are_read_in_the_order_of_the_keys(self, store: Store) -> None:
        await store.commit([Write("a", b"1"), Write("b", b"2")], note=b"")
        b, nothing, a = await store.read(["b", "none", "a"])
        assert (b, nothing, a) == (Record("b", b"2", 1), None, Record("a", b"1", 1))
        assert await store.read([]) == []

    async def test_records_are_listed_by_prefix_in_the_order_of_their_keys(
        self, store: Store
    ) -> None:
        keys = ["p%", "p/b", "p/a", "p/\ud800", "p/\uffff", "p/\U0001f600", "q", "P/a", "o"]
        await store.commit([Write(key, b"v") for key in keys], note=b"")
        listed = [record.key for record in await store.records("p/")]
        assert listed == ["p/a", "p/b", "p/\ud800", "p/\uffff", "p/\U0001f600"]
        assert [record.key for record in await store.records("p%")] == ["p%"]
        assert [record.key for record in await store.records("")] == sorted(keys)

    async def test_any_text_is_a_key_of_a_record(self, store: Store) -> None:
        writes = [Write(key, str(number).encode()) for number, key in enumerate(HOSTILE_KEYS)]
        await store.commit(writes, note=b"")
        found = await store.read(HOSTILE_KEYS)
        assert [(record.key, record.value) for record in found if record is not None] == [
            (write.key, write.value) for write in writes
        ]

    async def test_values_and_notes_may_be_empty_or_large(self, store: Store) -> None:
        large = bytes(range(256)) * (2 * 1024 * 1024 // 256)
        await store.commit([Write("empty", b""), Write("large", large)], note=b"")
        await store.commit([], note=large)
        assert await store.read(["empty", "large"]) == [
            Record("empty", b"", 1),
            Record("large", large, 1),
        ]
        assert [change.note for change in (await store.changes(0)).items] == [b"", large]

    async def test_of_two_writes_of_a_record_the_later_wins(self, store: Store) -> None:
        writes = [Write("a", b"1"), Write("a", b"2"), Write("b", b"1"), Write("b", None)]
        await store.commit(writes, note=b"")
        assert await store.records("") == [Record("a", b"2", 1)]

    async def test_revisions_grow_by_one(self, store: Store) -> None:
        assert [await store.commit([], note=b"") for _ in range(5)] == [1, 2, 3, 4, 5]

    async def test_a_deleted_record_is_absent(self, store: Store) -> None:
        await store.commit([Write("k", b"v")], note=b"")
        await store.commit([Write("k", None)], note=b"", expect={"k": 1})
        assert await store.read(["k"]) == [None]
        assert await store.records("") == []

    async def test_a_revision_is_not_used_again_after_a_delete(self, store: Store) -> None:
        await store.commit([Write("k", b"v")], note=b"")
        await store.commit([Write("k", None)], note=b"")
        assert await store.commit([Write("k", b"v")], note=b"", expect={"k": 0}) == 3

    async def test_records_do_not_expire(self, store: Store, clock: ManualClock) -> None:
        await store.commit([Write("k", b"v", ttl=self.ttl)], note=b"")
        await self.pass_time(clock, self.ttl)
        assert await store.read(["k"]) == [Record("k", b"v", 1)]

    async def test_an_expectation_that_holds_lets_the_commit_through(self, store: Store) -> None:
        await store.commit([Write("k", b"1")], note=b"", expect={"k": 0})
        assert await store.commit([Write("k", b"2")], note=b"", expect={"k": 1}) == 2
        assert await store.read(["k"]) == [Record("k", b"2", 2)]

    @pytest.mark.parametrize(
        ("expect", "key", "current"),
        [
            ({"a": 0}, "a", 1),
            ({"a": 2}, "a", 1),
            ({"missing": 1}, "missing", 0),
            ({"a": 1, "b": 1}, "b", 2),
            ({"b": 1, "a": 0}, "b", 2),
        ],
    )
    async def test_a_conflict_names_the_first_key_that_differs_and_what_is_current(
        self, store: Store, expect: Mapping[str, int], key: str, current: int
    ) -> None:
        await store.commit([Write("a", b"1")], note=b"")
        await store.commit([Write("b", b"1")], note=b"")
        with pytest.raises(CommitConflict) as raised:
            await store.commit([Write("a", b"2")], note=b"", expect=expect)
        assert (raised.value.key, raised.value.current) == (key, current)

    async def test_a_conflict_writes_nothing_at_all(self, store: Store) -> None:
        await store.commit([Write("a", b"1"), Write("b", b"1")], note=b"first")
        before = await store.records(""), await store.changes(0)
        writes = [Write("a", b"2"), Write("b", None), Write("c", b"2")]
        with pytest.raises(CommitConflict):
            await store.commit(writes, note=b"lost", expect={"a": 1, "b": 9})
        assert (await store.records(""), await store.changes(0)) == before

    async def test_twenty_writers_increment_twenty_times_each(
        self, store: Store, open_store: OpenStore
    ) -> None:
        stores = [store, await open_store() if self.durable else store]
        await asyncio.gather(*(_increment(stores[n % 2], 20) for n in range(20)))
        (record,) = await store.read(["counter"])
        assert record == Record("counter", b"400", 400)

    async def test_a_commit_is_never_read_by_halves(
        self, store: Store, open_store: OpenStore
    ) -> None:
        writer = await open_store() if self.durable else store
        writing = asyncio.create_task(_commit_pairs(writer, 100))
        while not writing.done():
            a, b = await store.read(["a", "b"])
            assert (a and (a.value, a.revision)) == (b and (b.value, b.revision))
            await asyncio.sleep(0)
        await writing

    async def test_a_page_of_changes_agrees_with_its_head(
        self, store: Store, open_store: OpenStore
    ) -> None:
        writer = await open_store() if self.durable else store
        writing = asyncio.create_task(_commit_pairs(writer, 100))
        while not writing.done():
            page = await store.changes(0)
            assert [change.revision for change in page.items] == list(range(1, page.head + 1))
            await asyncio.sleep(0)
        await writing

    async def test_clearing_the_cache_leaves_the_records(self, store: Store) -> None:
        await store.commit([Write("k", b"record")], note=b"")
        await store.set_many([Write("k", b"cache")])
        assert await store.clear("") == 1
        assert await store.read(["k"]) == [Record("k", b"record", 1)]

    async def test_a_record_and_a_cache_entry_of_one_name_are_two_things(
        self, store: Store
    ) -> None:
        await store.commit([Write("k", b"record")], note=b"")
        assert await store.get("k") is None
        await store.set_many([Write("k", b"cache")])
        assert await store.read(["k"]) == [Record("k", b"record", 1)]
        await store.commit([Write("k", None)], note=b"")
        assert await store.get("k") == b"cache"

    async def test_namespaces_have_records_and_logs_of_their_own(
        self, store: Store, open_store: OpenStore
    ) -> None:
        neighbor = await open_store(namespace="contract2")
        await store.commit([Write("k", b"mine")], note=b"")
        assert await neighbor.records("") == []
        assert await neighbor.changes(0) == Changes((), 0, 0)
        assert await neighbor.commit([Write("k", b"theirs")], note=b"", expect={"k": 0}) == 1

    async def test_an_empty_log_is_at_zero(self, store: Store) -> None:
        assert await store.changes(0) == Changes((), 0, 0)

    async def test_a_change_carries_its_note_and_its_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.commit([], note=b"first")
        page = await store.changes(0)
        (change,) = page.items
        assert page == Changes((Change(1, change.at, b"first"),), 1, 0)
        assert abs(change.at - clock()) < 60

    async def test_changes_come_in_pages_in_order_and_without_gaps(self, store: Store) -> None:
        for number in range(1, 26):
            await store.commit([], note=str(number).encode())
        pages = [await store.changes(after, limit=10) for after in (0, 10, 20, 25)]
        assert [len(page.items) for page in pages] == [10, 10, 5, 0]
        changes = [(change.revision, change.note) for page in pages for change in page.items]
        assert changes == [(number, str(number).encode()) for number in range(1, 26)]
        assert {(page.head, page.floor) for page in pages} == {(25, 0)}

    async def test_concurrent_commits_are_logged_in_the_order_of_their_revisions(
        self, store: Store
    ) -> None:
        async def commit(number: int) -> tuple[int, bytes]:
            note = str(number).encode()
            return await store.commit([], note=note), note

        made = await asyncio.gather(*(commit(number) for number in range(50)))
        logged = [(change.revision, change.note) for change in (await store.changes(0)).items]
        assert logged == sorted(made)
        assert [revision for revision, _ in logged] == list(range(1, 51))

    async def test_the_floor_tells_what_was_trimmed(self, open_store: OpenStore) -> None:
        store = await open_store(log_limit=5)
        for _ in range(8):
            await store.commit([], note=b"")
        for after in (0, 3):
            page = await store.changes(after)
            assert (page.floor, page.head) == (3, 8)
            assert [change.revision for change in page.items] == [4, 5, 6, 7, 8]

    async def test_trimming_the_log_leaves_records_and_revisions(
        self, open_store: OpenStore
    ) -> None:
        store = await open_store(log_limit=1)
        await store.commit([Write("k", b"v")], note=b"")
        await store.commit([], note=b"")
        assert await store.read(["k"]) == [Record("k", b"v", 1)]
        assert await store.commit([], note=b"", expect={"k": 1}) == 3

    async def test_waiting_for_what_has_happened_returns_at_once(self, store: Store) -> None:
        await store.commit([], note=b"")
        assert await store.wait(0, 0) is True

    @pytest.mark.parametrize("timeout", [0, 0.05])
    async def test_waiting_ends_with_false_when_nothing_happens(
        self, store: Store, timeout: float
    ) -> None:
        await store.commit([], note=b"")
        assert await store.wait(1, timeout) is False

    async def test_a_commit_wakes_all_who_wait_for_it(self, store: Store) -> None:
        waiting = [asyncio.create_task(store.wait(0, _NEVER)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.commit([], note=b"")
        async with asyncio.timeout(_SOON):
            assert await asyncio.gather(*waiting) == [True, True, True]

    async def test_a_wait_goes_on_until_its_revision_is_passed(self, store: Store) -> None:
        waiting = asyncio.create_task(store.wait(1, _NEVER))
        await asyncio.sleep(0)
        await store.commit([], note=b"")
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        await store.commit([], note=b"")
        async with asyncio.timeout(_SOON):
            assert await waiting is True

    async def test_a_commit_by_another_store_wakes_a_wait_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        other = await open_store()
        waiting = asyncio.create_task(store.wait(0, _NEVER if self.durable else 0.05))
        await other.commit([], note=b"")
        async with asyncio.timeout(_SOON):
            assert await waiting is self.durable


async def _commit_pairs(store: Store, times: int) -> None:
    for number in range(times):
        value = str(number).encode()
        await store.commit([Write("a", value), Write("b", value)], note=b"")


async def _increment(store: Store, times: int) -> None:
    while times:
        (record,) = await store.read(["counter"])
        value, revision = (0, 0) if record is None else (int(record.value), record.revision)
        write = Write("counter", str(value + 1).encode())
        try:
            await store.commit([write], note=b"", expect={"counter": revision})
        except CommitConflict:
            continue
        times -= 1
