"""What judged decisions say: whether probabilities are true, and what a threshold would cost. Pure.

Shares are of all requests. A weighted record stands for as many requests as its weight; its
interval is that of the effective number of observations, counted by the heaviest one served, which
errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cache_fabric.policy.intervals import upper_share
from cache_fabric.policy.judged import Judged

__all__ = ["Bin", "Point", "Score", "calibration_error", "hits_against_errors", "reliability"]

Score = Literal["similarity", "probability"]
_GRID = tuple(step / 200 for step in range(200, 0, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Decisions whose probability lies within [low, high): what was said, and what came."""

    low: float
    high: float
    weight: float
    predicted: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What serving everything from a threshold on would have cost.

    Attributes:
        threshold: Lowest score that is served.
        hits: Share of the requests that are served.
        errors: Share of the requests that are served a wrong answer.
        errors_upper: Upper end of the interval of ``errors``.
        wrong_share: Share of the served answers that are wrong, ``None`` where none is served.
    """

    threshold: float
    hits: float
    errors: float
    errors_upper: float
    wrong_share: float | None


def reliability(records: Sequence[Judged], bins: int = 10) -> list[Bin]:
    """Return the reliability diagram over equal steps of probability; empty steps are left out."""
    members: dict[int, list[Judged]] = {}
    for record in records:
        members.setdefault(min(bins - 1, int(record.probability * bins)), []).append(record)
    return [_bin(number, bins, members[number]) for number in sorted(members)]


def _bin(number: int, bins: int, members: Sequence[Judged]) -> Bin:
    weight = sum(record.weight for record in members)
    return Bin(
        low=number / bins,
        high=(number + 1) / bins,
        weight=weight,
        predicted=sum(record.weight * record.probability for record in members) / weight,
        right=sum(record.weight for record in members if record.right) / weight,
    )


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Return the expected calibration error: the mean gap of the bins, by weight."""
    total = sum(each.weight for each in bins)
    if not total:
        return None
    return sum(each.weight * abs(each.predicted - each.right) for each in bins) / total


def hits_against_errors(
    records: Sequence[Judged],
    score: Score,
    *,
    requests: float | None = None,
    confidence: float = 0.9,
) -> list[Point]:
    """Return the cost of each threshold of a fixed grid (steps of 0.005), the strictest first.

    Args:
        records: At most one decision a request, that of the candidate that would be served.
        score: What the threshold is put on.
        requests: How many requests there were, with those that had no neighbor; the sum of the
            weights if not given, which makes every share larger.
        confidence: Of ``errors_upper``, one-sided.
    """
    total = requests or sum(record.weight for record in records)
    of: Callable[[Judged], float] = (
        (lambda r: r.probability) if score == "probability" else (lambda r: r.similarity)
    )
    ranked = sorted(records, key=of, reverse=True)
    points, at, hits, wrong, heaviest = [], 0, 0.0, 0.0, 0.0
    for threshold in _GRID:
        while at < len(ranked) and of(ranked[at]) >= threshold:
            hits += ranked[at].weight
            wrong += 0.0 if ranked[at].right else ranked[at].weight
            heaviest = max(heaviest, ranked[at].weight)
            at += 1
        unit = heaviest or 1.0
        points.append(
            Point(
                threshold=threshold,
                hits=hits / total if total else 0.0,
                errors=wrong / total if total else 0.0,
                errors_upper=upper_share(wrong / unit, total / unit, confidence),
                wrong_share=wrong / hits if hits else None,
            )
        )
    return points
