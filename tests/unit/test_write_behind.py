"""Written in batches behind the caller, readable before, bounded, every loss told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cache_fabric.errors import BackendError, BackendUnavailable
from cache_fabric.write_behind import PendingWrite, WriteBehind


def item(key: str, data: bytes = b"x") -> PendingWrite:
    return PendingWrite(key=key, data=data, ttl=None, model="m", partition="p")


class Sink:
    """Takes batches when its gate is open, and can fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.dropped: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.tries = 0

    async def write(self, batch: Sequence[PendingWrite]) -> None:
        self.tries += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append([i.key for i in batch])

    def drop(self, pending: PendingWrite, reason: str) -> None:
        self.dropped.append((pending.key, reason))


def queue(sink: Sink, max_entries: int = 100, max_bytes: int = 1000) -> WriteBehind:
    return WriteBehind(sink.write, sink.drop, max_entries=max_entries, max_bytes=max_bytes)


async def test_what_waits_or_is_being_written_can_be_read() -> None:
    sink = Sink()
    behind = queue(sink)
    behind.put(item("a", b"1"))
    assert behind.get("a") == b"1"
    await asyncio.sleep(0)
    behind.put(item("b", b"2"))
    assert (behind.get("a"), behind.get("b")) == (b"1", b"2")
    sink.gate.set()
    await behind.flush()
    assert sink.batches == [["a"], ["b"]]
    assert behind.get("a") is None


async def test_a_later_write_of_a_key_replaces_the_waiting_one() -> None:
    sink = Sink()
    behind = queue(sink)
    behind.put(item("a", b"old"))
    behind.put(item("a", b"new"))
    assert behind.get("a") == b"new"
    assert len(behind) == 1


async def test_above_the_bounds_writes_are_dropped_and_told() -> None:
    sink = Sink()
    behind = queue(sink, max_entries=2, max_bytes=10)
    behind.put(item("a"))
    behind.put(item("b", b"x" * 10))
    behind.put(item("c"))
    behind.put(item("d"))
    assert sink.dropped == [("b", "queue full"), ("d", "queue full")]


async def test_a_failing_batch_is_dropped_and_the_next_one_is_written() -> None:
    sink = Sink()
    behind = queue(sink)
    sink.error = ConnectionError()
    sink.gate.set()
    behind.put(item("a"))
    await behind.flush()
    sink.error = None
    behind.put(item("b"))
    await behind.flush()
    assert sink.dropped == [("a", "ConnectionError")]
    assert sink.batches == [["b"]]


async def test_discarded_writes_are_never_written() -> None:
    sink = Sink()
    behind = queue(sink)
    behind.put(item("a"))
    behind.put(item("b"))
    behind.discard(["a"])
    sink.gate.set()
    await behind.flush()
    assert sink.batches == [["b"]]


async def tried(sink: Sink, times: int) -> None:
    async with asyncio.timeout(20):
        while sink.tries < times:
            await asyncio.sleep(0)


def patient(sink: Sink, max_entries: int = 1000, max_bytes: int = 10_000) -> WriteBehind:
    sink.gate.set()
    sink.error = BackendUnavailable("sink", "write", "away")
    return WriteBehind(
        sink.write, sink.drop, max_entries=max_entries, max_bytes=max_bytes, patient=True
    )


async def test_what_found_the_store_away_is_written_when_it_is_back_in_order_and_once() -> None:
    sink = Sink()
    behind = patient(sink)
    for number in range(300):
        behind.put(item(str(number)))
    await tried(sink, 3)
    behind.put(item("last"))
    assert (len(behind), behind.is_behind, behind.get("7")) == (301, True, b"x")
    sink.error = None
    while len(behind):
        await asyncio.sleep(0.01)
    assert [key for batch in sink.batches for key in batch] == [*map(str, range(300)), "last"]
    assert sink.dropped == []
    await behind.flush()
    assert not behind.is_behind


async def test_it_is_tried_in_pauses_whatever_else_comes() -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(item("first"))
    await tried(sink, 1)
    tries = sink.tries
    for number in range(100):
        behind.put(item(str(number)))
        await asyncio.sleep(0)
    assert sink.tries - tries <= 10
    behind.stop()


async def test_what_waits_for_the_store_counts_for_the_bounds() -> None:
    sink = Sink()
    behind = patient(sink, max_entries=3, max_bytes=10)
    behind.put(item("a", b"xxxxx"))
    await tried(sink, 2)
    behind.put(item("b"))
    behind.put(item("too large", b"xxxxx"))
    behind.put(item("c"))
    behind.put(item("too many"))
    assert sink.dropped == [("too large", "queue full"), ("too many", "queue full")]
    sink.error = None
    assert await behind.write_now()
    assert sink.batches[-1] == ["a", "b", "c"]
    behind.put(item("d", b"x" * 10))
    assert len(sink.dropped) == 2
    behind.stop()


async def test_a_flush_tries_now_and_drops_what_then_still_fails() -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(item("a"))
    await tried(sink, 1)
    await behind.flush()
    assert sink.dropped == [("a", "BackendUnavailable")]
    assert len(behind) == 0


async def test_who_reads_has_it_tried_now_and_loses_nothing() -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(item("a"))
    await tried(sink, 4)
    insisted = [behind.insists]
    assert not await behind.write_now()
    assert [*insisted, behind.insists] == [False, True]
    assert (sink.dropped, behind.get("a")) == ([], b"x")
    sink.error = None
    assert await behind.write_now()
    assert sink.batches == [["a"]]


async def test_an_error_of_the_data_is_a_drop_also_for_a_patient_queue() -> None:
    sink = Sink()
    behind = patient(sink)
    sink.error = BackendError("sink", "write", "refused it")
    behind.put(item("a"))
    await behind.write_now()
    assert sink.dropped == [("a", "BackendError")]


@pytest.mark.parametrize("meanwhile", ["waiting", "being written"])
async def test_what_is_taken_back_while_the_store_is_away_is_never_written(meanwhile: str) -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(item("a"))
    behind.put(item("b"))
    if meanwhile == "waiting":
        await tried(sink, 1)
    else:
        sink.gate.clear()
        await tried(sink, 1)
    behind.discard(["a"])
    sink.gate.set()
    await behind.write_now()
    assert behind.get("a") is None
    assert behind.discard()
    assert await behind.write_now()  # of nothing
    behind.put(item("b"))
    sink.error = None
    await behind.write_now()
    assert sink.batches == [["b"]]


@pytest.mark.parametrize("meanwhile", ["waiting", "being written"])
async def test_a_later_write_takes_the_place_and_the_lease_of_what_waits(meanwhile: str) -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(replace(item("a", b"old"), lease=b"lease"))
    if meanwhile == "being written":
        sink.gate.clear()
    await tried(sink, 1)
    behind.put(item("a", b"newer"))
    sink.gate.set()
    await behind.write_now()
    [waiting] = behind.items()
    assert (waiting.data, waiting.lease, behind._bytes) == (b"newer", b"lease", 5)
    assert sink.dropped == []
    behind.stop()


async def test_what_waits_at_the_end_is_dropped_and_nothing_is_tried_again() -> None:
    sink = Sink()
    behind = patient(sink)
    behind.put(item("a"))
    await tried(sink, 1)
    behind.stop()
    behind.put(item("b"))
    await behind.flush()
    assert sink.dropped == [("a", "closed"), ("b", "BackendUnavailable")]
    assert behind._timer is None


async def test_a_batch_that_was_not_let_in_is_not_tried_again() -> None:
    sink = Sink()

    async def write(batch: Sequence[PendingWrite]) -> None:
        gone = behind.go_on_with([one for one in batch if one.key != "a"])
        refused.extend(one.key for one in gone)
        await sink.write(batch)

    refused: list[str] = []
    sink.gate.set()
    sink.error = TimeoutError()
    behind = WriteBehind(write, sink.drop, max_entries=9, max_bytes=9, patient=True)
    for key in "abc":
        behind.put(item(key))
    await tried(sink, 2)
    assert (refused, [one.key for one in behind.items()], behind._bytes) == (["a"], ["b", "c"], 2)
    behind.stop()
