"""Written in batches behind the caller, readable before, bounded, every loss told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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

    async def write(self, batch: Sequence[PendingWrite]) -> None:
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
