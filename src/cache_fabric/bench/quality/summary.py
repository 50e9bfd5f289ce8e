"""Results to rows: seeds taken together, the best threshold in hindsight, the promise beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cache_fabric.bench.quality.campaign import Result
from cache_fabric.bench.quality.contenders import CONTENDERS
from cache_fabric.bench.quality.targets import shortfalls

__all__ = ["Row", "best_within", "summarise"]

_WORST = {  # over seeds: the run that is worse for the one measured
    "hit_rate": min,
    "error_rate": max,
    "max_running_error_after_1000": max,
    "wrong_hit_share": max,
    "exact_recall": min,
}
_BUDGETED = "vcache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; shares are means over seeds.

    Attributes:
        variant: Which threshold, where the best in hindsight was taken.
        worst: The worst run's values of the same names.
        short: What is short of the promise, by the worst run.
    """

    stream: str
    delta: float
    flip: float
    contender: str
    variant: str
    seeds: int
    hit_rate: float
    error_rate: float
    max_running_error_after_1000: float
    wrong_hit_share: float
    exact_recall: float | None
    paraphrase_recall: float | None
    share_of_ceiling: float
    brier_on_hits: float | None
    ms_p50: float | None
    ms_p99: float | None
    worst: dict[str, float | None]
    short: list[str]


def summarise(results: Sequence[Result], deltas: Sequence[float]) -> list[Row]:
    """Return a row for each stream, budget, noise and contender, in this order.

    A contender without a budget stands at each budget. Of several thresholds the one is shown that
    has the most hits within the budget, chosen afterwards; if none is within, the safest.
    """
    rows: list[Row] = []
    for stream in dict.fromkeys(result.stream for result in results):
        here = [result for result in results if result.stream == stream]
        for delta in deltas:
            for flip in sorted({result.flip for result in here}):
                rows += _rows(stream, delta, flip, here)
    return rows


def _rows(stream: str, delta: float, flip: float, here: Sequence[Result]) -> Iterable[Row]:
    groups: dict[str, list[Result]] = {}
    for result in here:
        if result.flip == flip and result.delta in (None, delta):
            groups.setdefault(result.contender, []).append(result)
    rival = _mean("hit_rate", groups.get(_BUDGETED, []))
    for contender in (name for name in CONTENDERS if name in groups):
        runs = groups[contender]
        taken = best_within(runs, delta)
        clean = [
            run
            for run in here
            if flip and run.flip == 0 and run.contender == contender and run.delta == delta
        ]
        others = None if contender.startswith(_BUDGETED) else rival
        yield _row(stream, delta, flip, taken, _mean("hit_rate", clean), others)


def best_within(runs: Sequence[Result], delta: float) -> list[Result]:
    """Return the runs of one variant: in hindsight, the one with the most hits within a budget.

    If none is within, the one that is wrong least often.
    """
    if len({run.variant for run in runs}) < 2:
        return list(runs)
    within = [run for run in runs if run.figures["error_rate"] <= delta]
    if within:
        return [max(within, key=lambda run: float(run.figures["hit_rate"]))]
    return [min(runs, key=lambda run: float(run.figures["error_rate"]))]


def _row(
    stream: str,
    delta: float,
    flip: float,
    runs: Sequence[Result],
    clean_hits: float | None,
    vcache_hits: float | None,
) -> Row:
    worst = {name: _over(take, name, runs) for name, take in _WORST.items()}
    means = {
        name: _mean(name, runs)
        for name in (*_WORST, "paraphrase_recall", "share_of_ceiling", "brier_on_hits")
    }
    shown: dict[str, Any] = {**means, "ms_p50": _mean("ms_p50", runs)}
    return Row(
        stream=stream,
        delta=delta,
        flip=flip,
        contender=runs[0].contender,
        variant=runs[0].variant,
        seeds=len(runs),
        ms_p99=_mean("ms_p99", runs),
        worst=worst,
        short=shortfalls(
            stream, delta, worst, flip=flip, clean_hits=clean_hits, vcache_hits=vcache_hits
        ),
        **shown,
    )


def _values(name: str, runs: Sequence[Result]) -> list[float]:
    return [run.figures[name] for run in runs if run.figures.get(name) is not None]


def _mean(name: str, runs: Sequence[Result]) -> float | None:
    values = _values(name, runs)
    return sum(values) / len(values) if values else None


def _over(take: Any, name: str, runs: Sequence[Result]) -> float | None:
    values = _values(name, runs)
    return take(values) if values else None
