"""What a family has learned: as one value, as plain data, and added up over processes.

**Adding up.** Several processes learn from one stored state. Each keeps what it was at its last
sync (``base``), and adds to what is stored since (``theirs``) what it learned of its own:

    total = f theirs + (mine - f base)

where f is 1 for all that never fades, and ``fading ** labels`` for what does: without it both
processes would take back the same old evidence. Gaussians add up so in their natural parameters,
precision and precision times mean, because each step of the filter adds the curvature of one label
to the precision. For two models that started from one prior the sum is that of one model that saw
both label sets, but that each label was linearised where its own process was.

**What is not guaranteed.** Between two syncs a process does not see what the others spend, so the
bound of the budget can be passed by what all others spend in that time.

Not part of it: the random draws, and which answers were served again. Pure, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.matcher.features import Rarity
from cache_fabric.matcher.logistic import Logistic
from cache_fabric.matcher.matcher import BASE_RATE_STEP
from cache_fabric.policy import audit, calibration
from cache_fabric.policy.audit import Audit
from cache_fabric.policy.family import Family

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Gaussian", "Learned", "learned", "merged", "resume"]


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """A distribution over weights: mean of shape (d,), covariance of shape (d, d)."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A family's state at one moment; nothing in it is changed afterwards.

    Attributes:
        dense: Of the matcher.
        sparse, variances: Of its hashed weights, shape (BUCKETS,).
        rarity, texts: Document counts, uint32 of shape (BUCKETS,), and of how many texts.
        base_rate: Share of questions whose nearest neighbor was right.
        centers: Sums of the vectors of the questions with one answer, by its digest, oldest first.
        calibration: Of its map.
        labels: How many moved the map.
        requests, judged, spent, recent: Of the budget.
        audit: A copy.
    """

    dense: Gaussian
    sparse: Floats
    variances: Floats
    rarity: NDArray[np.uint32]
    texts: int
    base_rate: float
    centers: dict[str, NDArray[Any]]
    calibration: Gaussian
    labels: int
    requests: int
    judged: int
    spent: float
    recent: tuple[float, ...]
    audit: Audit


def learned(family: Family) -> Learned:
    """Return what a family knows now."""
    matcher, budget = family.matcher, family.budget
    return Learned(
        dense=_gaussian(matcher.model),
        sparse=matcher.model.sparse.copy(),
        variances=matcher.model.variances.copy(),
        rarity=matcher.rarity.counts.copy(),
        texts=matcher.rarity.texts,
        base_rate=matcher.base_rate,
        centers=dict(matcher.centers),  # a center is replaced, never changed
        calibration=_gaussian(family.calibration.model),
        labels=family.calibration.labels,
        requests=budget.requests,
        judged=budget.judged,
        spent=budget.spent,
        recent=budget.recent,
        audit=replace(family.audit),
    )


def resume(family: Family, state: Learned) -> None:
    """Let a family know what is given, and nothing else."""
    matcher = family.matcher
    dense, mapped = state.dense, state.calibration
    matcher.model = Logistic(dense.mean, dense.covariance, state.sparse, state.variances)
    matcher.rarity = Rarity(state.rarity.copy(), state.texts)
    matcher.base_rate = state.base_rate
    matcher.recall(state.centers)
    family.calibration.resume(mapped.mean, mapped.covariance, state.labels)
    family.budget.resume(state.requests, state.judged, state.spent, state.recent)
    family.audit = replace(state.audit)


def merged(theirs: Learned, mine: Learned, base: Learned) -> Learned:
    """Return what is known by both: what others stored, and what this process learned since base.

    Args:
        theirs: What is stored now.
        mine: What this process knows.
        base: What it knew when it last read or wrote what is stored.
    """
    sparse, variances = _added_buckets(theirs, mine, base)
    new_judged = mine.judged - base.judged
    own = mine.recent[-new_judged:] if new_judged > 0 else ()
    rate_kept = (1.0 - BASE_RATE_STEP) ** (mine.labels - base.labels)
    rate = rate_kept * theirs.base_rate + mine.base_rate - rate_kept * base.base_rate
    counted = theirs.rarity.astype(np.int64) + mine.rarity - base.rarity
    return Learned(
        dense=_added(theirs.dense, mine.dense, base.dense) or _surer(theirs.dense, mine.dense),
        sparse=sparse,
        variances=variances,
        rarity=np.maximum(counted, 0).astype(np.uint32),
        texts=theirs.texts + mine.texts - base.texts,
        base_rate=min(1.0, max(0.0, rate)),
        centers=_added_centers(theirs, mine, base),
        calibration=_added_maps(theirs, mine, base),
        labels=theirs.labels + mine.labels - base.labels,
        requests=theirs.requests + mine.requests - base.requests,
        judged=theirs.judged + new_judged,
        spent=max(0.0, theirs.spent + mine.spent - base.spent),
        recent=theirs.recent + own,
        audit=_added_audits(theirs.audit, mine.audit, base.audit),
    )


def _gaussian(model: Logistic) -> Gaussian:
    return Gaussian(model.weights.copy(), model.covariance.copy())


def _added(theirs: Gaussian, mine: Gaussian, base: Gaussian, kept: float = 1.0) -> Gaussian | None:
    """Return the sum, ``None`` where it is not a distribution."""
    precisions = [np.linalg.inv(one.covariance) for one in (theirs, mine, base)]
    shifts = [p @ one.mean for p, one in zip(precisions, (theirs, mine, base), strict=True)]
    gained = precisions[1] - kept * precisions[2]
    precision = kept * precisions[0] + (gained + gained.T) / 2.0
    try:
        np.linalg.cholesky(precision)
    except np.linalg.LinAlgError:
        return None
    covariance = np.linalg.inv(precision)
    covariance = (covariance + covariance.T) / 2.0
    return Gaussian(covariance @ (kept * shifts[0] + shifts[1] - kept * shifts[2]), covariance)


def _surer(one: Gaussian, other: Gaussian) -> Gaussian:
    spreads = [np.linalg.slogdet(g.covariance)[1] for g in (one, other)]
    return one if spreads[0] <= spreads[1] else other


def _added_buckets(theirs: Learned, mine: Learned, base: Learned) -> tuple[Floats, Floats]:
    gained = np.maximum(1.0 / mine.variances - 1.0 / base.variances, 0.0)
    precision = 1.0 / theirs.variances + gained
    moved = mine.sparse / mine.variances - base.sparse / base.variances
    return (theirs.sparse / theirs.variances + moved) / precision, 1.0 / precision


def _added_maps(theirs: Learned, mine: Learned, base: Learned) -> Gaussian:
    """Whoever found drift since has thrown away what the others still believe, and is followed."""
    doubting = [one for one in (theirs, mine) if one.audit.alarms > base.audit.alarms]
    if doubting:
        return min(doubting, key=lambda one: float(one.calibration.mean[0])).calibration
    kept = calibration.FADING ** (mine.labels - base.labels)
    one, other = theirs.calibration, mine.calibration
    return _added(one, other, base.calibration, kept) or _surer(one, other)


def _added_centers(theirs: Learned, mine: Learned, base: Learned) -> dict[str, NDArray[Any]]:
    """Those of this process come last: they are the ones it may need."""
    total = dict(theirs.centers)
    for answer, center in mine.centers.items():
        known, before = total.pop(answer, None), base.centers.get(answer)
        if known is None or len(known) != len(center):
            total[answer] = center
        elif before is None or len(before) != len(center):
            total[answer] = known + center
        else:
            total[answer] = known + (center - before)
    return total


def _added_audits(theirs: Audit, mine: Audit, base: Audit) -> Audit:
    """Sums add up, and stakes multiply: the bets of two processes are on different labels."""
    total = {f.name: getattr(mine, f.name) - getattr(base, f.name) for f in fields(Audit)}
    kept = audit.FADING ** total["seen"]
    for name in ("stated", "found"):
        total[name] += (1.0 - kept) * getattr(base, name) - (1.0 - kept) * getattr(theirs, name)
    summed = {name: max(0, getattr(theirs, name) + gained) for name, gained in total.items()}
    alarmed = [one.stake for one in (theirs, mine) if one.alarms > base.alarms]
    product = max(1.0, theirs.stake * mine.stake / base.stake)
    summed["stake"] = max(alarmed) if alarmed else product
    return Audit(**summed)
