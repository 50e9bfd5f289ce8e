"""A run is handed over in no time, written in batches, bounded, every loss told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from cache_fabric.errors import BackendUnavailable, FabricClosedError, ValidationError
from cache_fabric.execution_queue import ExecutionQueue


class Sink:
    """Takes batches when its gate is open, and can fail or refuse."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.batches: list[int] = []
        self.told: list[tuple[str, str | None]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.refused: dict[Any, Exception] = {}
        self.waited: list[bool] = []

    async def keep(self, drafts: Sequence[bytes], is_waited: bool) -> list[Exception | None]:
        self.waited.append(is_waited)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        bodies = [msgspec.msgpack.decode(draft) for draft in drafts]
        self.batches.append(len(bodies))
        self.kept += [body for body in bodies if body["n"] not in self.refused]
        return [self.refused.get(body["n"]) for body in bodies]

    def tell(self, execution_id: str, reason: str | None) -> None:
        self.told.append((execution_id, reason))

    def queue(
        self,
        max_entries: int = 1000,
        max_bytes: int = 2**20,
        post: Callable[[Callable[[], None]], object] | None = None,
    ) -> ExecutionQueue:
        loop = asyncio.get_running_loop()
        return ExecutionQueue(
            self.keep,
            post or loop.call_soon_threadsafe,
            self.tell,
            max_entries=max_entries,
            max_bytes=max_bytes,
        )


async def test_what_was_handed_over_is_written_in_order_and_told() -> None:
    sink = Sink()
    queue = sink.queue()
    assert all(queue.put(str(n), {"n": n}) for n in range(5))
    sink.gate.set()
    await queue.flush()
    assert [body["n"] for body in sink.kept] == [0, 1, 2, 3, 4]
    assert sink.told == [(str(n), None) for n in range(5)]
    assert len(queue) == 0


async def test_many_are_written_in_few_batches() -> None:
    sink = Sink()
    queue = sink.queue()
    for n in range(600):
        queue.put(str(n), {"n": n})
    sink.gate.set()
    await queue.flush()
    assert sink.batches == [100] * 6


async def test_a_batch_is_bounded_in_bytes() -> None:
    sink = Sink()
    queue = sink.queue(max_bytes=2**24)
    for n in range(4):
        queue.put(str(n), {"n": n, "body": "x" * 600_000})
    sink.gate.set()
    await queue.flush()
    assert sink.batches == [2, 2]


async def test_it_is_written_without_a_flush() -> None:
    sink = Sink()
    sink.gate.set()
    sink.queue().put("a", {"n": 1})
    async with asyncio.timeout(10):
        while not sink.told:
            await asyncio.sleep(0)
    assert sink.told == [("a", None)]


async def test_above_the_bound_a_run_is_dropped_and_told() -> None:
    sink = Sink()
    queue = sink.queue(max_entries=2)
    assert [queue.put(str(n), {"n": n}) for n in range(3)] == [True, True, False]
    assert sink.told == [("2", "queue full")]


async def test_bytes_are_bounded_too_and_come_free_again() -> None:
    sink = Sink()
    queue = sink.queue(max_bytes=100)
    assert queue.put("a", {"n": 1, "body": "x" * 60})
    assert not queue.put("b", {"n": 2, "body": "x" * 60})
    sink.gate.set()
    await queue.flush()
    assert queue.put("c", {"n": 3, "body": "x" * 60})


async def test_a_caller_may_change_what_it_handed_over() -> None:
    sink = Sink()
    queue = sink.queue()
    body = {"n": 1, "state": ["before"]}
    queue.put("a", body)
    body["state"] = ["after"]
    sink.gate.set()
    await queue.flush()
    assert sink.kept[0]["state"] == ["before"]


async def test_what_is_not_plain_data_is_dropped() -> None:
    sink = Sink()
    assert not sink.queue().put("a", {"n": object()})
    assert sink.told == [("a", "not plain data")]


async def test_a_fault_drops_the_batch_and_the_queue_goes_on() -> None:
    sink = Sink()
    queue = sink.queue()
    sink.error = OSError("away")
    sink.gate.set()
    queue.put("a", {"n": 1})
    await queue.flush()
    sink.error = None
    queue.put("b", {"n": 2})
    await queue.flush()
    assert sink.told == [("a", "OSError"), ("b", None)]


async def test_one_that_is_refused_takes_no_other_along() -> None:
    sink = Sink()
    sink.refused = {1: ValidationError("state", "expected JSON data")}
    sink.gate.set()
    queue = sink.queue()
    for n in range(3):
        queue.put(str(n), {"n": n})
    await queue.flush()
    assert sink.told == [("0", None), ("1", "state cannot be kept"), ("2", None)]


async def test_after_the_end_everything_is_dropped_and_told() -> None:
    sink = Sink()
    queue = sink.queue()
    queue.put("a", {"n": 1})
    queue.close()
    assert not queue.put("b", {"n": 2})
    assert sink.told == [("a", "closed"), ("b", "closed")]


async def test_a_home_loop_that_has_ended_is_no_error() -> None:
    def post(_: Callable[[], None]) -> None:
        raise FabricClosedError("closed")

    sink = Sink()
    assert not sink.queue(post=post).put("a", {"n": 1})
    assert sink.told == [("a", "closed")]


async def test_leaving_a_flush_loses_nothing() -> None:
    sink = Sink()
    queue = sink.queue()
    queue.put("a", {"n": 1})
    flush = asyncio.create_task(queue.flush())
    await asyncio.sleep(0)
    flush.cancel()
    await asyncio.wait([flush])
    sink.gate.set()
    await queue.flush()
    assert sink.told == [("a", None)]


async def test_threads_hand_over_at_once() -> None:
    sink = Sink()
    sink.gate.set()
    queue = sink.queue()

    def work(thread: int) -> None:
        for n in range(100):
            queue.put(f"{thread}-{n}", {"n": n})

    await asyncio.gather(*(asyncio.to_thread(work, thread) for thread in range(8)))
    await queue.flush()
    assert len({name for name, reason in sink.told if reason is None}) == 800


async def tried(sink: Sink, times: int) -> None:
    async with asyncio.timeout(20):
        while len(sink.waited) < times:
            await asyncio.sleep(0)


def away() -> Sink:
    sink = Sink()
    sink.gate.set()
    sink.error = BackendUnavailable("sink", "write", "away")
    return sink


async def test_what_found_the_store_away_is_written_when_it_is_back_in_order_and_once() -> None:
    sink = away()
    queue = sink.queue()
    for n in range(250):
        queue.put(str(n), {"n": n})
    await tried(sink, 3)
    assert queue.put("last", {"n": 250})
    assert (len(queue), sink.told) == (251, [])
    sink.error = None
    while len(queue):
        await asyncio.sleep(0.01)
    assert [body["n"] for body in sink.kept] == list(range(251))
    assert [reason for _, reason in sink.told] == [None] * 251
    assert queue._bytes == 0


async def test_it_is_tried_in_pauses_whatever_else_comes() -> None:
    sink = away()
    queue = sink.queue()
    queue.put("first", {"n": 0})
    await tried(sink, 2)
    tries = len(sink.waited)
    for n in range(100):
        queue.put(str(n), {"n": n})
        await asyncio.sleep(0)
    assert len(sink.waited) - tries <= 10
    queue.close()


async def test_what_waits_for_the_store_counts_for_the_bounds() -> None:
    sink = away()
    queue = sink.queue(max_entries=3, max_bytes=60)
    queue.put("a", {"n": 1, "body": "x" * 30})
    await tried(sink, 2)
    assert [queue.put(name, {"n": 1}) for name in "bcd"] == [True, True, False]
    queue.close()
    assert queue._bytes == 0
    queue = sink.queue(max_entries=3, max_bytes=60)
    queue.put("a", {"n": 1, "body": "x" * 30})
    await tried(sink, 4)
    assert not queue.put("e", {"n": 1, "body": "x" * 30})
    assert [name for name, reason in sink.told if reason == "queue full"] == ["d", "e"]
    queue.close()


async def test_a_flush_tries_now_and_drops_what_then_still_fails() -> None:
    sink = away()
    queue = sink.queue()
    queue.put("a", {"n": 1})
    await tried(sink, 2)
    await queue.flush()
    assert sink.told == [("a", "BackendUnavailable")]
    assert len(queue) == 0


async def test_who_reads_has_it_tried_now_and_loses_nothing() -> None:
    sink = away()
    queue = sink.queue()
    queue.put("a", {"n": 1})
    await tried(sink, 3)
    assert not any(sink.waited)
    assert not await queue.write_now()
    assert sink.waited[-1]
    assert (sink.told, len(queue)) == ([], 1)
    sink.error = None
    assert await queue.write_now()
    assert sink.told == [("a", None)]


async def test_who_waits_for_a_run_hears_that_the_store_is_away_and_others_go_on_waiting() -> None:
    sink = away()
    queue = sink.queue()
    for n in range(150):
        queue.put(str(n), {"n": n})
    with pytest.raises(BackendUnavailable, match="away"):
        await queue.put_and_wait("durable", {"n": 150})
    assert sink.told == [("durable", "BackendUnavailable")]
    sink.error = None
    await queue.put_and_wait("durable", {"n": 150})
    assert [body["n"] for body in sink.kept] == list(range(151))


async def test_what_waits_for_the_store_at_the_end_is_dropped() -> None:
    sink = away()
    queue = sink.queue()
    queue.put("a", {"n": 1})
    await tried(sink, 2)
    queue.close()
    tries = len(sink.waited)
    assert sink.told == [("a", "closed")]
    await queue.flush()
    assert (len(sink.waited), queue._timer) == (tries, None)
