"""The campaign: which runs there are, who does them, and what each one found."""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cache_fabric.bench.quality.contenders import CONTENDERS, Entered, Round
from cache_fabric.bench.quality.streams import Stream, StreamFile
from cache_fabric.bench.quality.vectors import embed_stream
from cache_fabric.policy.judged import Judged
from cache_fabric.policy.reliability import reliability

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from cache_fabric.embedders.base import Matrix

__all__ = ["Plan", "Result", "Task", "run_all", "tasks"]

_TICK = 200  # rows between two reports of progress
_PATIENCE = 0.5  # seconds between two looks at them
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign measures; every combination is run."""

    streams: Sequence[StreamFile]
    contenders: Sequence[str]
    deltas: Sequence[float]
    flips: Sequence[float] = (0.0,)
    seeds: Sequence[int] = (1,)
    embedder: str = "wordllama"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One pass of one contender over one stream."""

    stream: StreamFile
    contender: str
    deltas: tuple[float, ...]
    flip: float
    seed: int
    embedder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one variant did on one stream.

    Attributes:
        delta: The budget it ran at, ``None`` for one that knows none.
        figures: What ``score.py`` says of its decisions.
        tiers: Hits by tier, for the fabric.
        reliability: Its probabilities on hits against what came, where it gives any.
        seconds: Of the whole task.
    """

    stream: str
    contender: str
    variant: str
    delta: float | None
    flip: float
    seed: int
    figures: dict[str, Any]
    tiers: dict[str, int] = field(default_factory=dict)
    reliability: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def tasks(plan: Plan) -> list[Task]:
    """Return every task of a plan; the contenders that learn nothing run once a stream."""
    return [
        Task(
            stream=stream,
            contender=name,
            deltas=deltas,
            flip=flip,
            seed=seed,
            embedder=plan.embedder,
        )
        for stream in plan.streams
        for name in plan.contenders
        for flip, seed, deltas in _variations(plan, CONTENDERS[name].budgets)
    ]


def _variations(plan: Plan, budgets: str) -> Iterator[tuple[float, int, tuple[float, ...]]]:
    if budgets == "none":
        yield 0.0, plan.seeds[0], ()
        return
    passes = [tuple(plan.deltas)] if budgets == "together" else [(d,) for d in plan.deltas]
    for flip in plan.flips:
        for seed in plan.seeds:
            for deltas in passes:
                yield flip, seed, deltas


def run_all(
    work: Sequence[Task], jobs: int, done: Callable[[int], None] = lambda _: None
) -> Iterator[Result]:
    """Yield results as they come; ``done`` hears of rows, from this thread only.

    One job runs in this process, more run in processes of their own with one thread each.
    """
    if jobs == 1:
        for task in work:
            yield from run_task(task, done)
        return
    context = multiprocessing.get_context("spawn")
    # It writes at once, so that no row is told after its task's result.
    rows: SimpleQueue[int] = context.SimpleQueue()
    with (
        _one_thread_each(),
        ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(rows,)) as pool,
    ):
        yield from _gather([pool.submit(_run_here, task) for task in work], rows, done)


def _gather(
    waiting: Sequence[Future[list[Result]]], rows: SimpleQueue[int], done: Callable[[int], None]
) -> Iterator[Result]:
    left = set(waiting)
    try:
        while left:
            finished, left = wait(left, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
            while not rows.empty():
                done(rows.get())
            for future in finished:
                yield from future.result()
    finally:
        for future in left:
            future.cancel()


def run_task(task: Task, tick: Callable[[int], None] = lambda _: None) -> list[Result]:
    """Run one task here and score it."""
    started = time.perf_counter()
    stream, vectors = _prepared(task.stream, task.embedder)
    given = Round(
        stream=stream,
        vectors=vectors,
        embedder=task.embedder,
        deltas=task.deltas,
        flip=task.flip,
        seed=task.seed,
        tick=tick,
    )
    entered = list(CONTENDERS[task.contender].run(given))
    seconds = time.perf_counter() - started
    return [_scored(task, stream, each, seconds) for each in entered]


@functools.lru_cache(maxsize=2)
def _prepared(file: StreamFile, embedder: str) -> tuple[Stream, Matrix]:
    stream = file.read()
    return stream, embed_stream(embedder, stream.texts)


def _scored(task: Task, stream: Stream, entered: Entered, seconds: float) -> Result:
    tiers: dict[str, int] = {}
    judged = []
    for decision in entered.decisions:
        if not decision["hit"]:
            continue
        if "tier" in decision:
            tiers[decision["tier"]] = tiers.get(decision["tier"], 0) + 1
        if "p" in decision:
            right = stream.answers[decision["i"]] == stream.answers[decision["src"]]
            judged.append(Judged(probability=decision["p"], similarity=0.0, right=right))
    return Result(
        stream=task.stream.name,
        contender=task.contender,
        variant=entered.variant,
        delta=entered.delta,
        flip=task.flip,
        seed=task.seed,
        figures=task.stream.scorer.stream(stream.rows, entered.decisions),
        tiers=tiers,
        reliability=[asdict(each) for each in reliability(judged, bins=20)],
        seconds=seconds,
    )


_rows: SimpleQueue[int] | None = None


def _begin(rows: SimpleQueue[int]) -> None:
    """Keep the queue of this process, which cannot travel with a task."""
    global _rows
    _rows = rows


def _run_here(task: Task) -> list[Result]:
    rows, count = _rows, 0
    assert rows is not None

    def tick(number: int) -> None:
        nonlocal count
        count += number
        if count >= _TICK:
            rows.put(count)
            count = 0

    found = run_task(task, tick)
    rows.put(count)
    return found


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that share the cores must not each start a thread a core for a product."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
