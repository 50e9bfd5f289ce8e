"""What executions cost: their callers, their writes, their place on disk, a page of a search.

Ours is a SQLite file behind the facade; beside it, in the same run and with the same runs, stands
what one has without us (`plain`). The runs that are searched are spread over 30 days and come in
through the public `import_executions`.
"""

from __future__ import annotations

import io
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cache_fabric.bench.executions.plain import PlainRuns
from cache_fabric.bench.executions.runs import Run, run_of
from cache_fabric.bench.executions.searches import Case, Filters, cases
from cache_fabric.config import FabricConfig
from cache_fabric.errors import ConfigurationError
from cache_fabric.factory import create_cache_fabric
from cache_fabric.sync import SyncCacheFabric

__all__ = ["Figures", "Search", "Track", "executions"]

_BATCH = 2_000
_DAYS = 30.0
_BURST = 200
_CALLS = 10_000
_ROUNDS = 40
_PEER_SECONDS = 10.0  # a search of the peer is asked as often as fits, at least twice
_DURABLE = 1_000
_WAITING = (1, 32)
_MOST_JUDGED = 2_000

Told = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A way to write: how many are written a second, or how long its caller takes, or both."""

    name: str
    per_second: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    bar: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A kind of search, ours and the peer's; ``found`` is the mean number of runs on our page."""

    name: str
    found: float
    p50_ms: float
    p95_ms: float
    peer_p50_ms: float
    peer_p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything measured with so many runs; bytes are those of the files, a run."""

    runs: int
    tracks: Sequence[Track]
    bytes_per_run: float
    peer_bytes_per_run: float
    searches: Sequence[Search]


def executions(runs: int, told: Told) -> Figures:
    """Measure all of it.

    Raises:
        ConfigurationError: Fewer runs than one batch.
    """
    if runs < _BATCH:
        raise ConfigurationError(f"runs: expected at least {_BATCH}, got {runs}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _fabric(folder / "calls.db") as fabric:
            tracks = [*_calls(fabric, told), *_waiting(fabric, told), _behind(fabric, told)]
        plain = PlainRuns(folder / "plain.db")
        with _fabric(folder / "fabric.db") as fabric:
            since = time.time() - _DAYS * 86_400
            tracks += _load(fabric, plain, runs, since, told)
            _judge(fabric, plain, runs, told)
            mix = cases(runs, since, _DAYS)
            searches = list(_searches(fabric, plain, mix, told))
        plain.close()
        return Figures(
            runs=runs,
            tracks=tracks,
            bytes_per_run=_size(folder / "fabric.db") / runs,
            peer_bytes_per_run=_size(folder / "plain.db") / runs,
            searches=searches,
        )


def _fabric(path: Path) -> SyncCacheFabric:
    """A fabric whose runs are not embedded and never go."""
    config = FabricConfig(index_executions=False, executions_max_count=None)
    return create_cache_fabric("memory", store=f"sqlite://{path}", config=config).sync


def _track(fabric: SyncCacheFabric, run: Run) -> None:
    kept = fabric.track_soon(
        run.execution_id, run.graph_name, run.state, tags=run.tags, user=run.user
    )
    assert kept, "the queue overflowed"


def _calls(fabric: SyncCacheFabric, told: Told) -> Iterator[Track]:
    """Time the call in bursts that are written afterwards, and while others are being written."""
    runs = iter([run_of(number, 2 * _CALLS) for number in range(2 * _CALLS)])
    for name, bar, pause in (
        ("track_soon, in bursts", "p99 at most 20 \u00b5s", 0.0),
        ("track_soon, while others are written", "", 0.0005),
    ):
        times: list[float] = []
        while len(times) < _CALLS:
            for run in islice(runs, _BURST):
                started = time.perf_counter()
                _track(fabric, run)
                times.append(time.perf_counter() - started)
                if pause:
                    time.sleep(pause)
            if not pause:
                fabric.flush()
            told(name, len(times), _CALLS)
        fabric.flush()
        yield _timed(name, times, bar=bar)


def _waiting(fabric: SyncCacheFabric, told: Told) -> Iterator[Track]:
    """Time calls that wait until the run is written, one after another and many at once."""

    def track(run: Run) -> float:
        started = time.perf_counter()
        fabric.track_execution(
            run.execution_id, run.graph_name, run.state, tags=run.tags, user=run.user, durable=True
        )
        return time.perf_counter() - started

    for callers in _WAITING:
        name = f"track_execution, durable, {callers} at once"
        runs = [run_of(number, _DURABLE) for number in range(_DURABLE)]
        told(name, 0, len(runs))
        started = time.perf_counter()
        with ThreadPoolExecutor(callers) as threads:
            times = list(threads.map(track, runs))
        yield _timed(name, times, time.perf_counter() - started)
        told(name, len(runs), len(runs))


def _behind(fabric: SyncCacheFabric, told: Told) -> Track:
    """Time runs that are written behind until the last one is written."""
    name = f"track_soon until written, {_BATCH:,} at a time"
    taken = 0.0
    for start in range(0, _CALLS, _BATCH):
        batch = [run_of(number, _CALLS) for number in range(start, start + _BATCH)]
        started = time.perf_counter()
        for run in batch:
            _track(fabric, run)
        fabric.flush()
        taken += time.perf_counter() - started
        told(name, start + _BATCH, _CALLS)
    lost = fabric.get_metrics()["executions"].get("dropped", 0)
    assert not lost, f"{lost} runs were dropped"
    return Track(name=name, per_second=_CALLS / taken)


def _load(
    fabric: SyncCacheFabric, plain: PlainRuns, runs: int, since: float, told: Told
) -> Iterator[Track]:
    """Write every run to both, a batch at a time."""
    ours = theirs = 0.0
    apart = _DAYS * 86_400 / runs
    for start in range(0, runs, _BATCH):
        numbers = range(start, min(start + _BATCH, runs))
        batch = [(run_of(number, runs), since + number * apart) for number in numbers]
        lines = io.BytesIO(b"".join(run.line(at) for run, at in batch))
        started = time.perf_counter()
        fabric.import_executions(lines)
        written = time.perf_counter()
        plain.put(batch)
        ours += written - started
        theirs += time.perf_counter() - written
        told("writing all runs", start + len(batch), runs)
    yield Track(name="import_executions", per_second=runs / ours)
    yield Track(name=f"peer, {_BATCH:,} in a transaction", per_second=runs / theirs)


def _judge(fabric: SyncCacheFabric, plain: PlainRuns, runs: int, told: Told) -> None:
    """Give one run of a hundred a feedback with a score."""
    rng = random.Random(0)  # noqa: S311 - reproducible, no secret
    count = min(_MOST_JUDGED, runs // 100)
    scores = {}
    for done, number in enumerate(rng.sample(range(runs), count), 1):
        name, score = run_of(number, runs).execution_id, round(rng.random(), 2)
        fabric.record_feedback(name, {"score": score})
        scores[name] = score
        told("recording feedback", done, count)
    plain.score(scores)


def _searches(
    fabric: SyncCacheFabric, plain: PlainRuns, mix: Sequence[Case], told: Told
) -> Iterator[Search]:
    for number, case in enumerate(mix):
        told("searching", number, len(mix))
        rng = random.Random(number)  # noqa: S311
        asked = [case.filters(rng) for _ in range(_ROUNDS + 1)]
        found, ours = _ours(fabric, asked, case.second)
        theirs = _theirs(plain, asked, case.second)
        yield Search(
            name=case.name,
            found=statistics.mean(found),
            p50_ms=statistics.median(ours),
            p95_ms=_p95(ours),
            peer_p50_ms=statistics.median(theirs),
            peer_p95_ms=_p95(theirs),
        )
    told("searching", len(mix), len(mix))


def _ours(
    fabric: SyncCacheFabric, asked: Sequence[Filters], second: bool
) -> tuple[list[int], list[float]]:
    """Return how many runs each page had and its milliseconds, without the first one."""
    found, times = [], []
    for filters in asked:
        after = fabric.search_executions(**filters).cursor if second else None
        started = time.perf_counter()
        found.append(len(fabric.search_executions(**filters, cursor=after)))
        times.append(1e3 * (time.perf_counter() - started))
    return found[1:], times[1:]


def _theirs(plain: PlainRuns, asked: Sequence[Filters], second: bool) -> list[float]:
    """Return the peer's milliseconds, without the first page; of fewer pages if it is slow."""
    times: list[float] = []
    for filters in asked:
        last = plain.find(filters)[-1:] if second else ()
        whole = {**filters, "before": last[0].at} if last else filters
        started = time.perf_counter()
        plain.find(whole)
        times.append(1e3 * (time.perf_counter() - started))
        if len(times) > 2 and sum(times) > 1e3 * _PEER_SECONDS:
            break
    return times[1:]


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[18]


def _timed(name: str, times: Sequence[float], taken: float | None = None, bar: str = "") -> Track:
    return Track(
        name=name,
        per_second=None if taken is None else len(times) / taken,
        p50_us=1e6 * statistics.median(times),
        p99_us=1e6 * statistics.quantiles(times, n=100)[98],
        bar=bar,
    )


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
