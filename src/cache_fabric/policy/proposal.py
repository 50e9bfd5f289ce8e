"""Which policy the evidence allows for a budget of wrong answers. Pure.

The threshold is found by fixed-sequence testing (Angelopoulos and others, "Learn then Test",
arXiv 2110.01052): the grid was fixed before any data was seen, it is gone through from the
strictest threshold on, and ends at the first whose upper bound is over the budget. So the bound of
the last one that passed holds with the stated confidence without a correction for many tests.
It holds for traffic like that of the records, and no longer once the traffic changes: that is why
a proposal goes into shadow mode first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from cache_fabric.errors import ConfigurationError
from cache_fabric.policy.base import Policy
from cache_fabric.policy.exact_only import ExactOnly
from cache_fabric.policy.judged import Judged
from cache_fabric.policy.reliability import Point, Score, hits_against_errors
from cache_fabric.policy.threshold import Threshold
from cache_fabric.policy.verified import Verified

__all__ = ["Proposal", "decode_proposal", "encode_proposal", "policy_of", "propose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A policy for one budget, with what it would have done on the records.

    Attributes:
        max_error: The budget: share of all requests that may be answered wrong.
        policy: ``"threshold"`` on the similarity, ``"verified"`` on the probability, or
            ``"exact only"`` where no threshold is sure to keep the budget.
        confidence: With which the budget is kept, one-sided.
        records: How many judged decisions it rests on.
        threshold: Lowest score that may be served, ``None`` for exact only.
        hits, errors, errors_upper, wrong_share: As in `Point`.
        mode: ``"shadow"``: decide and count, but serve nothing yet; ``"live"``: serve.
    """

    max_error: float
    policy: Literal["threshold", "verified", "exact only"]
    confidence: float
    records: int
    threshold: float | None = None
    hits: float = 0.0
    errors: float = 0.0
    errors_upper: float | None = None
    wrong_share: float | None = None
    mode: Literal["shadow", "live"] = "shadow"


def propose(
    records: Sequence[Judged],
    max_error: float,
    *,
    requests: float | None = None,
    confidence: float = 0.9,
    scores: Sequence[Score] = ("similarity", "probability"),
) -> Proposal:
    """Return the policy with the most hits whose upper bound of errors is within the budget.

    Args:
        records: At most one a request, that of the candidate that would be served.
        max_error: Budget, a share of all requests.
        requests: As in `hits_against_errors`.
        confidence: With which the budget is to be kept.
        scores: What a threshold may be put on.
    """
    best: tuple[Score, Point] | None = None
    each = 1 - (1 - confidence) / len(scores)  # Bonferroni: the better of the scores is taken
    for score in scores:
        points = hits_against_errors(records, score, requests=requests, confidence=each)
        point = _last_within(points, max_error)
        if point is not None and (best is None or point.hits > best[1].hits):
            best = score, point
    return _proposal(best, max_error, confidence, len(records))


def _last_within(points: Sequence[Point], max_error: float) -> Point | None:
    """A threshold that serves no more than a stricter one has no evidence of its own."""
    last = None
    for point in points:
        if point.errors_upper > max_error:
            break
        if point.hits > (last.hits if last else 0.0):
            last = point
    return last


def _proposal(
    best: tuple[Score, Point] | None, max_error: float, confidence: float, records: int
) -> Proposal:
    if best is None:
        return Proposal(
            max_error=max_error, policy="exact only", confidence=confidence, records=records
        )
    score, point = best
    return Proposal(
        max_error=max_error,
        policy="verified" if score == "probability" else "threshold",
        threshold=point.threshold,
        hits=point.hits,
        errors=point.errors,
        errors_upper=point.errors_upper,
        wrong_share=point.wrong_share,
        confidence=confidence,
        records=records,
    )


def policy_of(proposal: Proposal) -> Policy:
    """Return the policy that a proposal names.

    `Verified` gets the budget and prices each answer itself; the threshold of the proposal tells
    what the records would have allowed.
    """
    if proposal.policy == "verified":
        return Verified(max_error=proposal.max_error)
    return ExactOnly() if proposal.threshold is None else Threshold(proposal.threshold)


def encode_proposal(proposal: Proposal) -> bytes:
    """Return the proposal as the bytes of its settings file."""
    return msgspec.json.format(msgspec.json.encode(proposal), indent=2) + b"\n"


def decode_proposal(data: bytes, name: str) -> Proposal:
    """Return the proposal of a settings file; ``name`` is for the message.

    Raises:
        ConfigurationError: The bytes are not a proposal, or a number is out of its range.
    """
    try:
        proposal = msgspec.json.decode(data, type=Proposal)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: not a proposal of cache-fabric tune: {error}") from None
    if not 0 < proposal.max_error < 0.5:
        raise ConfigurationError(f"{name}: max_error: expected a share above 0 and below 0.5")
    if (proposal.threshold is None) != (proposal.policy == "exact only"):
        raise ConfigurationError(f"{name}: threshold: expected one unless the policy is exact only")
    if proposal.threshold is not None and not 0 < proposal.threshold <= 1:
        raise ConfigurationError(f"{name}: threshold: expected a number above 0 and at most 1")
    return proposal
