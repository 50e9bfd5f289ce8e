"""What a decision rested on, small enough to be kept for each of the last thousand.

Taken on the request path, so it copies numbers and holds neither an entry nor a word of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cache_fabric.policy.base import Decision, Policy, Serve
from cache_fabric.policy.family import Family, Judgment
from cache_fabric.policy.threshold import Threshold
from cache_fabric.types import Candidate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cache_fabric.matcher.matcher import Reading

    Floats = NDArray[np.float64]

__all__ = ["Scores", "Trace", "Traced", "trace"]

_KEPT = 8


class Traced(NamedTuple):
    """A candidate as it was seen.

    Attributes:
        entry_id: Of the candidate.
        similarity: Of its question.
        same_answer: Whether its answer equals that of the best candidate.
        score: Log odds that its answer is right, ``None`` if the policy states none.
        guard: What the guard's objections are about, ``None`` if the policy does not keep it.
        contradicts: Whether one of them makes another answer near certain.
    """

    entry_id: str
    similarity: float
    same_answer: bool
    score: float | None = None
    guard: tuple[str, ...] | None = None
    contradicts: bool | None = None


class Scores(NamedTuple):
    """What a policy that learns made of the best candidate, and how it stood just afterwards.

    Attributes:
        probability, stated, risk: As in `Judgment`.
        row, contributions: The dense features (in the order of `NAMES`, then the bias), in
            standard deviations, and each times its weight; shape (d + 1,).
        words: What the hashed features contribute.
        requests, judged, spent, allowed, price: As in `Budget`.
        asked, weight, squares, wrong, factor, alarms: As in `Audit`.
    """

    probability: float
    stated: float
    risk: float
    row: Floats
    contributions: Floats
    words: float
    requests: int
    judged: int
    spent: float
    allowed: float
    price: float
    asked: int
    weight: float
    squares: float
    wrong: float
    factor: float
    alarms: int


class Trace(NamedTuple):
    """What one decision rested on.

    Attributes:
        policy: Its name.
        threshold: Of `Threshold`: the lowest similarity that it serves.
        candidates: Those that were compared, nearest first, at most 8.
        best: Position of the one that the decision is about, ``None`` if there was none.
        scores: Of a policy that learns.
    """

    policy: str
    threshold: float | None
    candidates: tuple[Traced, ...]
    best: int | None
    scores: Scores | None = None


def trace(policy: Policy, decision: Decision, candidates: Sequence[Candidate], state: Any) -> Trace:
    """Return the trace of a decision; ``state`` is the policy's, just after it."""
    threshold = policy.similarity if isinstance(policy, Threshold) else None
    judged = decision.judged
    if isinstance(judged, Judgment) and judged.reading is not None and isinstance(state, Family):
        reading = judged.reading
        scores = _scores(judged, reading, state)
        return Trace(policy.name, threshold, _judged(reading), reading.best, scores)
    about = decision.candidate if isinstance(decision, Serve) else decision.nearest
    kept = list(candidates[:_KEPT])
    best = next((at for at, one in enumerate(kept) if one is about), 0 if kept else None)
    answer = kept[best].entry.text if best is not None else ""
    seen = tuple(Traced(c.entry.id, c.similarity, c.entry.text == answer) for c in kept)
    return Trace(policy.name, threshold, seen, best)


def _judged(reading: Reading) -> tuple[Traced, ...]:
    answer = reading.answers[reading.best]
    return tuple(
        Traced(
            one.entry.id,
            one.similarity,
            said == answer,
            float(score),
            tuple(dict.fromkeys(str(objection.kind) for objection in verdict.objections)),
            verdict.contradicts,
        )
        for one, said, score, verdict in zip(
            reading.candidates, reading.answers, reading.scores, reading.verdicts, strict=False
        )
    )


def _scores(judged: Judgment, reading: Reading, family: Family) -> Scores:
    model, budget, audit = family.matcher.model, family.budget, family.audit
    row = reading.rows[reading.best].copy()  # the others are not kept
    return Scores(
        probability=judged.probability,
        stated=judged.stated,
        risk=judged.risk,
        row=row,
        contributions=row * model.weights,
        words=float(model.sparse[reading.hashed[reading.best]].sum()),
        requests=budget.requests,
        judged=budget.judged,
        spent=budget.spent,
        allowed=budget.allowed,
        price=budget.price,
        asked=audit.asked,
        weight=audit.weight,
        squares=audit.squares,
        wrong=audit.wrong,
        factor=audit.factor,
        alarms=audit.alarms,
    )
