"""The sums of several processes in one store, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cache_fabric.errors import BackendUnavailable
from cache_fabric.folded_sums import A_TURN, DEAD, KINDS, SUMS, FoldedSums
from cache_fabric.instrumentation.events import LookupEvent
from cache_fabric.instrumentation.metrics import HOUR, MINUTE, SPANS, Metrics, figures
from cache_fabric.kept_sums import KeptSums
from cache_fabric.part import Part
from cache_fabric.stores.documents import Document, Query
from cache_fabric.stores.memory import MemoryStore

SECRET = b"secret"
NOON = 43_200_000.0
MINUTES, HOURS, DAY = KINDS[MINUTE], KINDS[HOUR], SPANS[MINUTE]


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Process:
    """One process of a fabric: what it measures, and what it writes of that."""

    def __init__(self, store: MemoryStore, clock: Clock, every: float = 5.0) -> None:
        self.metrics = Metrics(clock)
        self.posted: list[Callable[[], None]] = []
        part = Part("store", store.open, open_timeout=10)
        self.sums = KeptSums(
            self.metrics, part, store, SECRET, self.posted.append, clock=clock, every=every
        )

    def hits(self, count: int, tenant: str | None = None) -> None:
        for _ in range(count):
            self.metrics(
                LookupEvent(
                    outcome="hit", model="m", reason="", seconds=0.001, tier="hot",
                    saved_micros=100, tenant=tenant,
                )
            )  # fmt: skip

    async def seen(self) -> int:
        """How many hits the whole fabric had."""
        hits: int = figures(await self.sums.total())["hits"]
        return hits


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("n")


Make = Callable[[], Process]


@pytest.fixture
def process(store: MemoryStore, clock: Clock) -> Make:
    return lambda: Process(store, clock)


async def count(store: MemoryStore, kind: str) -> int:
    return await store.documents.count(kind, Query())


async def test_what_others_wrote_and_what_is_not_written_yet_add_up(process: Make) -> None:
    one, two = process(), process()
    one.hits(3)
    await one.sums.write()
    one.hits(1)
    two.hits(10)
    assert await one.seen() == 4
    assert await two.seen() == 13
    await one.sums.write()
    assert await two.seen() == 14
    assert figures(await two.sums.total())["cost_avoided"] == 0.0014


async def test_a_process_that_measured_nothing_leaves_nothing(
    process: Make, store: MemoryStore
) -> None:
    await process().sums.close()
    assert await count(store, SUMS) == 0


async def test_the_first_event_after_a_write_asks_for_the_next_one(process: Make) -> None:
    one = process()
    one.hits(3)
    assert len(one.posted) == 1
    await one.sums.write()
    one.hits(1)
    one.hits(1)
    assert len(one.posted) == 2


async def test_a_write_that_failed_after_it_was_done_counts_once(
    process: Make, store: MemoryStore
) -> None:
    one, two = process(), process()
    put = store.documents.put

    async def lose_the_reply(kind: str, documents: Sequence[Document]) -> None:
        await put(kind, documents)
        raise BackendUnavailable("memory", "put", "lost the reply")

    store.documents.put = lose_the_reply  # type: ignore[method-assign]
    one.hits(3)
    with pytest.raises(BackendUnavailable):
        await one.sums.write()
    store.documents.put = put  # type: ignore[method-assign]
    one.hits(1)
    await one.sums.write()
    assert await two.seen() == 4


async def test_a_write_behind_that_failed_is_tried_again(store: MemoryStore, clock: Clock) -> None:
    one = Process(store, clock, every=0.001)
    put, failures = store.documents.put, [BackendUnavailable("memory", "put", "is away")] * 2

    async def fail_twice(kind: str, documents: Sequence[Document]) -> None:
        if failures:
            raise failures.pop()
        await put(kind, documents)

    store.documents.put = fail_twice  # type: ignore[method-assign]
    one.hits(3)
    [asked_for] = one.posted
    asked_for()
    async with asyncio.timeout(30):
        while await count(store, SUMS) == 0:
            await asyncio.sleep(0.001)
    assert not failures
    one.sums.stop()


async def test_ended_processes_become_one_record(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    for _ in range(30):
        one = process()
        one.hits(2)
        await one.sums.close()
        clock.now += 1
    last = process()
    last.hits(1)
    await last.sums.write()
    assert await count(store, SUMS) < 10
    assert await last.seen() == 61


async def test_killed_processes_are_folded_and_living_ones_are_not(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    for _ in range(20):
        killed = process()
        killed.hits(1)
        await killed.sums.write()
    clock.now += DEAD + 1
    living = process()
    living.hits(5)
    await living.sums.write()
    assert await count(store, SUMS) == 1
    assert await living.seen() == 25


async def test_a_fold_that_was_cut_short_counts_nobody_twice(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    for _ in range(10):
        one = process()
        one.hits(1)
        await one.sums.close()
    reader = process()
    part = Part("store", store.open, open_timeout=10)
    delete = store.documents.delete

    async def be_killed(kind: str, keys: Sequence[str]) -> int:
        raise BackendUnavailable("memory", "delete", "killed before it")

    store.documents.delete = be_killed  # type: ignore[method-assign]
    with pytest.raises(BackendUnavailable):
        await FoldedSums(part, store, SECRET).tidy(clock.now, "me")
    store.documents.delete = delete  # type: ignore[method-assign]
    assert await count(store, SUMS) == 10
    assert await reader.seen() == 10
    await FoldedSums(part, store, SECRET).tidy(clock.now, "me")
    assert await count(store, SUMS) == 0
    assert await reader.seen() == 10


async def test_of_two_that_fold_at_once_one_does(process: Make, store: MemoryStore) -> None:
    part = Part("store", store.open, open_timeout=10)
    first, second = FoldedSums(part, store, SECRET), FoldedSums(part, store, SECRET)
    stale = await second.read()
    for folds in (first, second):
        for _ in range(10):
            one = process()
            one.hits(1)
            await one.sums.write(closed=True)
        if folds is second:
            second.read = lambda: _returned(stale)  # type: ignore[method-assign]
        await folds.tidy(NOON, "me")
    assert await process().seen() == 20


async def _returned(value: Any) -> Any:
    return value


@pytest.mark.parametrize("folded", [False, True])
async def test_a_process_that_was_silent_for_long_is_counted_once(
    process: Make, store: MemoryStore, clock: Clock, folded: bool
) -> None:
    sleeper, other = process(), process()
    sleeper.hits(7)
    await sleeper.sums.write()
    for _ in range(10 if folded else 0):
        one = process()
        one.hits(1)
        await one.sums.close()
    clock.now += DEAD + 1
    other.hits(1)
    await other.sums.write()
    known = 18 if folded else 8
    assert await other.seen() == known
    sleeper.hits(2)
    await sleeper.sums.write()
    assert await other.seen() == known + 2
    assert await sleeper.seen() == known + 2
    clock.now += DEAD + 1
    sleeper.hits(1)
    await sleeper.sums.write()
    assert await sleeper.seen() == known + 3
    assert await other.seen() == known + 3


async def test_a_silent_process_that_only_reads_counts_itself_once(
    process: Make, clock: Clock
) -> None:
    silent = process()
    silent.hits(5)
    await silent.sums.write()
    for _ in range(8):  # as many as are folded at once
        killed = process()
        killed.hits(1)
        await killed.sums.write()
    clock.now += DEAD + 1
    alive = process()
    alive.hits(1)
    await alive.sums.write()
    assert await silent.seen() == await alive.seen() == 14
    silent.hits(2)
    await silent.sums.write()
    assert await silent.seen() == await alive.seen() == 16


async def test_lookups_take_turns_with_the_sums_of_many_processes(process: Make) -> None:
    for _ in range(40):
        one = process()
        one.hits(1)
        await one.sums.write()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for read in (one.sums.total, one.sums.written, lambda: one.sums.since(0)):
        turns = 0
        await read()
        assert turns >= 40 // A_TURN
    task.cancel()


async def test_a_window_holds_the_minutes_in_it_of_every_process(
    process: Make, clock: Clock
) -> None:
    one, two = process(), process()
    for each in (one, two):
        each.hits(1)
        await each.sums.write()
    clock.now += 600
    one.hits(10)
    await one.sums.write()
    clock.now += 60
    two.hits(100)
    minute = int(clock.now // 60)

    async def hits(of: Process, minutes: int) -> int:
        found: int = figures(await of.sums.since(minute - minutes))["hits"]
        return found

    assert [await hits(two, back) for back in (0, 1, 10, 11)] == [100, 110, 110, 112]
    assert [await hits(one, back) for back in (0, 1, 11)] == [0, 10, 12]
    await two.sums.write()
    assert [await hits(one, back) for back in (0, 1, 11)] == [100, 110, 112]


async def test_a_long_window_is_read_by_the_hour_and_misses_no_minute(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    one, reader = process(), process()
    clock.now = NOON + 1800
    for _ in range(300):  # one hit a minute, from half past
        one.hits(1)
        clock.now += 60
    await one.sums.write()
    last = int(clock.now // 60)
    for back in (1, 29, 30, 31, 89, 90, 91, 150, 299, 300, 400):
        found = figures(await reader.sums.since(last - back))
        assert found["hits"] == min(back, 300)
    await store.documents.delete(MINUTES, [f"{last - n}.{one.sums._process}" for n in range(301)])
    assert figures(await reader.sums.since(last - 300))["hits"] == 270  # hours do not need them


async def test_an_hour_of_a_process_that_was_silent_in_it_is_counted_once(
    process: Make, clock: Clock
) -> None:
    one, reader = process(), process()
    one.hits(1)
    await one.sums.write()
    clock.now += DEAD - 60
    one.hits(1)
    await one.sums.write()
    assert figures(await reader.sums.since(int(NOON // 60)))["hits"] == 2
    assert await reader.seen() == 2


async def test_minutes_of_more_than_a_day_ago_are_dropped(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    one = process()
    for _ in range(5):
        one.hits(1)
        clock.now += 60
    await one.sums.write()
    assert await count(store, MINUTES) == 5
    clock.now += (DAY + 2) * 60
    one.hits(1)
    await one.sums.write()
    assert await count(store, MINUTES) == 1
    assert await process().seen() == 6


async def test_a_process_holds_no_more_than_a_day_of_minutes(clock: Clock) -> None:
    metrics = Metrics(clock)
    for _ in range(DAY + 50):
        metrics(LookupEvent(outcome="miss", model="m", reason="", seconds=0.1))
        clock.now += 60
    assert len(metrics.spans(MINUTE, 0)) == DAY + 1
    assert len(metrics.spans(HOUR, 0)) == 25
    assert metrics.totals().outcomes["miss"] == DAY + 50


async def test_sums_that_cannot_be_read_are_left_out(process: Make, store: MemoryStore) -> None:
    one = process()
    one.hits(2)
    for kind, key in ((SUMS, "forged"), (HOURS, "0.forged")):
        await store.documents.put(kind, [Document(key=key, value=b"forged", at=NOON)])
    assert await one.seen() == 2
    assert figures(await one.sums.since(0))["hits"] == 2


async def test_a_tenants_name_is_erased_and_what_it_saved_stays(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    ended = [process() for _ in range(20)]
    for each in ended[:10]:
        each.hits(1, "gone")
        await each.sums.close()
    runs, other = ended[10], ended[11]
    runs.hits(1, "gone")  # folds the ten
    await runs.sums.write()
    other.hits(2, "gone")
    other.hits(3, "stays")
    await other.sums.write()
    # The record, the sums of the other, and the minute and hour of eleven.
    assert await runs.sums.erase("gone") == 24
    await other.sums.forget(runs.sums.mark("gone"))
    whole = await runs.sums.total()
    tenants = {name: row[1] for name, row in whole.shares.rows()["tenant"].items()}
    assert tenants == {"(other)": 13, "stays": 3}
    assert not await holds(store, b"gone")


async def test_the_name_of_a_tenant_is_erased_that_is_among_the_others_in_all_sums(
    process: Make, store: MemoryStore, clock: Clock
) -> None:
    runs = process()
    runs.hits(1, "gone")
    for number in range(400):  # each saves more
        runs.hits(2, f"tenant {number}")
    clock.now += MINUTE
    runs.hits(1, "stays")
    await runs.sums.write()
    assert "gone" not in runs.metrics.totals().shares.rows()["tenant"]
    await runs.sums.erase("gone")
    assert not await holds(store, b"gone")
    assert "gone" not in runs.metrics.tenants()


def test_a_tenant_is_forgotten_while_events_go_on(clock: Clock) -> None:
    metrics = Metrics(clock)
    hit = LookupEvent(outcome="hit", model="m", reason="", seconds=0.1, tier="hot", tenant="gone")
    for _ in range(3):
        metrics(hit)
        clock.now += MINUTE
    real, during = metrics._ended, []

    def ended() -> list[tuple[int, int, bytes]]:
        found = real()
        thread = threading.Thread(target=metrics, args=(hit,))
        thread.start()
        thread.join(10)
        during.append(thread.is_alive())
        return found

    metrics._ended = ended  # type: ignore[method-assign]
    metrics.forget_tenants({"gone"})
    assert during == [False]
    assert metrics.totals().shares.rows()["tenant"]["(other)"][1] == 3


async def holds(store: MemoryStore, word: bytes) -> bool:
    records = [record.value for record in await store.records("")]
    for kind in (SUMS, *KINDS.values()):
        found = await store.documents.find(kind, Query(), limit=1000)
        records += [value for _, value in found.items]
    return any(word in value for value in records)
