"""Blocking embedding functions in threads: joining, splitting, failing, cancelling, closing.

The functions under test wait for an event instead of working, so that what queues up meanwhile is
the test's choice. ``threads=1`` makes the first call occupy all threads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from cache_fabric.embedders._blocking import Matrix, MicroBatcher
from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    MissingExtraError,
)


class Gate:
    """A blocking function that notes its batches and answers when it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.batches.append(texts)
        self.entered.release()
        assert self.open.wait(30)
        if self.error is not None:
            raise self.error
        return [[float(text), 1.0] for text in texts]

    async def wait_until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=30)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
async def batcher(gate: Gate) -> AsyncIterator[MicroBatcher]:
    batcher = MicroBatcher("fake", gate, threads=1, max_batch=4)
    yield batcher
    batcher.close()


async def start(batcher: MicroBatcher, *calls: list[str]) -> list[asyncio.Task[Matrix]]:
    """Tasks of which each has queued its texts, in this order."""
    tasks = [asyncio.create_task(batcher.embed(texts)) for texts in calls]
    await asyncio.sleep(0)
    return tasks


async def test_calls_that_arrive_while_a_batch_runs_are_joined(
    gate: Gate, batcher: MicroBatcher
) -> None:
    tasks = await start(batcher, ["0"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["1"], ["2", "3"], ["4"])
    gate.open.set()
    rows = await asyncio.gather(*tasks)
    assert gate.batches == [["0"], ["1", "2", "3", "4"]]
    assert [part[:, 0].tolist() for part in rows] == [[0], [1], [2, 3], [4]]


async def test_a_batch_is_never_larger_than_its_bound(gate: Gate, batcher: MicroBatcher) -> None:
    tasks = await start(batcher, ["0"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["1", "2", "3"], ["4", "5"], ["6"])
    gate.open.set()
    await asyncio.gather(*tasks)
    assert gate.batches == [["0"], ["1", "2", "3"], ["4", "5", "6"]]


async def test_a_long_call_is_cut_and_put_together(gate: Gate, batcher: MicroBatcher) -> None:
    gate.open.set()
    rows = await batcher.embed([str(n) for n in range(10)])
    assert [len(batch) for batch in gate.batches] == [4, 4, 2]
    assert rows[:, 0].tolist() == list(range(10))


async def test_as_many_batches_run_at_once_as_there_are_threads(gate: Gate) -> None:
    batcher = MicroBatcher("fake", gate, threads=2, max_batch=4)
    tasks = await start(batcher, ["0"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["1"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["2"], ["3"])
    assert gate.batches == [["0"], ["1"]]
    gate.open.set()
    await asyncio.gather(*tasks)
    batcher.close()
    assert gate.batches == [["0"], ["1"], ["2", "3"]]


async def test_a_failing_batch_fails_its_callers_with_the_cause(
    gate: Gate, batcher: MicroBatcher
) -> None:
    tasks = await start(batcher, ["0"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["1"], ["2"])
    gate.error = ValueError("sk-secret: what the user asked")
    gate.open.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [BackendError] * 3
    for error in errors:
        assert isinstance(error, BackendError)
        assert error.__cause__ is gate.error
        assert "sk-secret" not in str(error)


async def test_a_failing_batch_leaves_the_next_one_alone(gate: Gate, batcher: MicroBatcher) -> None:
    gate.open.set()
    gate.error = ValueError()
    with pytest.raises(BackendError):
        await batcher.embed(["0"])
    gate.error = None
    assert len(await batcher.embed(["1"])) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), BackendTimeout),
        (ConnectionResetError(), BackendUnavailable),
        (MissingExtraError("litellm", "this"), MissingExtraError),
        (KeyboardInterrupt(), BackendError),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_errors_are_translated(
    gate: Gate, batcher: MicroBatcher, error: BaseException, kind: type[Exception]
) -> None:
    gate.error = error
    gate.open.set()
    with pytest.raises(kind):
        await batcher.embed(["0"])


@pytest.mark.parametrize(
    "answer",
    [[], [[1.0]], [1.0, 2.0], [["a"], ["b"]], [[1.0], [1.0, 2.0]], None, 3.0],
    ids=["empty", "one row", "flat", "words", "ragged", "none", "number"],
)
async def test_an_answer_that_is_no_matrix_is_a_backend_error(answer: object) -> None:
    batcher = MicroBatcher("fake", lambda texts: answer)
    with pytest.raises(BackendError, match="fake embed"):
        await batcher.embed(["0", "1"])
    batcher.close()


async def test_a_bad_row_is_handed_on_and_does_not_fail_its_neighbors() -> None:
    batcher = MicroBatcher("fake", lambda texts: [[float("nan")], [1.0]])
    rows = await batcher.embed(["0", "1"])
    batcher.close()
    assert rows[1].tolist() == [1.0]


async def test_cancelling_a_running_caller_does_not_hurt_the_others(
    gate: Gate, batcher: MicroBatcher
) -> None:
    first, *_ = await start(batcher, ["0"])
    await gate.wait_until_entered()
    second, third = await start(batcher, ["1"], ["2"])
    first.cancel()
    gate.open.set()
    assert (await second)[0, 0] == 1
    assert (await third)[0, 0] == 2
    assert first.cancelled()


async def test_a_caller_cancelled_while_waiting_is_not_embedded(
    gate: Gate, batcher: MicroBatcher
) -> None:
    first, *_ = await start(batcher, ["0"])
    await gate.wait_until_entered()
    second, third = await start(batcher, ["1"], ["2"])
    second.cancel()
    await asyncio.wait([second])
    gate.open.set()
    await asyncio.gather(first, third)
    assert gate.batches == [["0"], ["2"]]


async def test_closing_fails_the_calls_that_wait(gate: Gate, batcher: MicroBatcher) -> None:
    first, *_ = await start(batcher, ["0"])
    await gate.wait_until_entered()
    (second,) = await start(batcher, ["1"])
    batcher.close()
    with pytest.raises(BackendUnavailable):
        await second
    gate.open.set()
    assert len(await first) == 1


async def test_the_threads_end_after_closing(gate: Gate, batcher: MicroBatcher) -> None:
    worker: list[threading.Thread] = []

    def note(texts: list[str]) -> list[list[float]]:
        worker.append(threading.current_thread())
        return [[1.0]]

    noting = MicroBatcher("fake", note)
    await noting.embed(["0"])
    noting.close()
    await asyncio.to_thread(worker[0].join, 30)
    assert not worker[0].is_alive()


async def test_lone_surrogates_do_not_reach_the_function() -> None:
    seen: list[str] = []

    def note(texts: list[str]) -> list[list[float]]:
        seen.extend(texts)
        return [[1.0]]

    batcher = MicroBatcher("fake", note)
    await batcher.embed(["a\ud800b"])
    batcher.close()
    assert seen == ["a?b"]


async def test_rows_are_copies_of_what_the_function_returned() -> None:
    kept = np.ones((1, 2), dtype=np.float32)
    batcher = MicroBatcher("fake", lambda texts: kept)
    rows = await batcher.embed(["0"])
    rows *= 0
    batcher.close()
    assert kept.all()


def on_another_loop(batcher: MicroBatcher) -> list[float]:
    rows: list[float] = asyncio.run(batcher.embed(["1"]))[0].tolist()
    return rows


def test_callers_may_live_on_different_loops() -> None:
    batcher = MicroBatcher("fake", lambda texts: [[7.0]])
    assert on_another_loop(batcher) == on_another_loop(batcher) == [7.0]
    batcher.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_forked_child_has_its_own_threads_and_queue(
    gate: Gate, batcher: MicroBatcher
) -> None:
    tasks = await start(batcher, ["0"])
    await gate.wait_until_entered()
    tasks += await start(batcher, ["2"])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            gate.open.set()
            rows = on_another_loop(batcher)
            code = int(rows != [1.0, 1.0] or gate.batches != [["0"], ["1"]])
        finally:
            os._exit(code)
    status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status[1]) == 0
    gate.open.set()
    await asyncio.gather(*tasks)
