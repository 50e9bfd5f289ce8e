"""Why a lookup ended as it did, and what is known of a kept answer: plain frozen records.

Words of prompts stand in ``question``, ``text`` and ``objections``, and only where they were asked
for; everywhere else they are ``None``. Times are seconds since the epoch, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cache_fabric.types import Tier
from cache_fabric.verdict_rules import Happening
from cache_fabric.viewed import Viewed

__all__ = [
    "AuditState",
    "BudgetState",
    "CandidateExplanation",
    "EntryExplanation",
    "EntryState",
    "FeatureExplanation",
    "LookupExplanation",
    "Scoring",
    "Served",
]

EntryState = Literal["active", "quarantined", "pinned", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateExplanation:
    """A neighbor that was compared.

    Attributes:
        entry_id: Its answer's.
        similarity: Of its question.
        best: Whether the decision is about this one.
        same_answer: Whether its answer equals that of the best one.
        score: Log odds that its answer is right, ``None`` if the policy states none.
        guard: Kinds of the guard's objections; ``None`` if the policy keeps none (`Threshold` names
            those of the best one in its reason).
        contradicts: Whether one of them makes another answer near certain.
        question: Its text, where asked for and while the answer is kept.
        objections: The guard's objections in words, where asked for.
    """

    entry_id: str
    similarity: float
    best: bool
    same_answer: bool
    score: float | None
    guard: tuple[str, ...] | None
    contradicts: bool | None
    question: str | None = None
    objections: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureExplanation:
    """One feature of the best candidate.

    Attributes:
        name: As in `matcher.features.NAMES`; ``"bias"``, and ``"words"`` for all hashed ones.
        value: In standard deviations from the mean that the weights were trained with; ``None``
            for ``"words"``.
        contribution: Weight times value, as the weights were then. The sum of all is the log odds
            before they are shrunk for what the matcher is not sure of, which gives the score.
    """

    name: str
    value: float | None
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How the best candidate fared.

    Attributes:
        log_odds: That its answer is right, as the matcher sees it.
        probability: The same, calibrated.
        stated_risk: That it is wrong, on the safe side, before the audit's correction.
        risk: After it.
        price: The largest risk that was worth serving; below 0 when nothing was.
    """

    log_odds: float
    probability: float
    stated_risk: float
    risk: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """The account of the partition family, just after the decision; see `policy.budget`."""

    requests: int
    judged: int
    spent: float
    allowed: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """What samples showed until then; see `policy.audit`.

    Attributes:
        wrong_share: Share of the answers served by meaning that were wrong, ``None`` while none was
            asked anew; ``low`` to ``high`` is its 95 % interval.
        sampled: How many were asked anew.
        factor: By which stated risks are multiplied.
        alarms: How often drift was found.
    """

    wrong_share: float | None
    low: float
    high: float
    sampled: int
    factor: float
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupExplanation(Viewed):
    """Why a lookup ended as it did.

    Attributes:
        id: Of the lookup.
        at: When it ended.
        outcome, tier, reason, seconds, similarity, probability, stale, degraded: As in its result.
        entry_id, age: Of the answer that was served, and how old it was.
        contexts: Path and behaviour of the contexts that the request was made under.
        policy: That was asked, ``None`` if the lookup ended before.
        threshold: Of `Threshold`: the lowest similarity that it serves.
        candidates: Those that were compared, nearest first, at most 8.
        scoring, features, budget, audit: Of a policy that learns, where there was a candidate;
            the features by the size of their contribution.
        question: Its first 1,000 characters, where asked for.
    """

    id: str
    at: float
    outcome: Literal["hit", "miss"]
    reason: str
    model: str
    seconds: float
    tier: Tier | None
    similarity: float | None
    probability: float | None
    stale: bool
    degraded: str | None
    entry_id: str | None
    age: float | None
    contexts: tuple[tuple[str, int], ...]
    policy: str | None
    threshold: float | None
    candidates: tuple[CandidateExplanation, ...]
    scoring: Scoring | None
    features: tuple[FeatureExplanation, ...]
    budget: BudgetState | None
    audit: AuditState | None
    question: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A lookup of this process that was served the answer by meaning."""

    lookup_id: str
    at: float
    similarity: float
    probability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryExplanation(Viewed):
    """What is known of a kept answer.

    Attributes:
        id: Of the entry.
        model, tenant, user, tags, contexts, embedder: Of the call that it came from.
        created: When the model gave it; ``age`` seconds ago.
        expires: When it may not be served any more, ``None`` for never; ``expired`` if it is so.
        latency, cost_micros, tokens: Of that call, ``None`` if not known.
        state: ``active``, ``quarantined``, ``pinned``, or ``gone``: it is not kept any more, and
            what else is said here is what is left of it; unknown is ``None`` or empty.
        history: What happened to it, oldest first: when it was made, the lookups of this process
            that were served it, as far as they are remembered, and the votes and acts with who and
            why.
        origin: What it comes from where no call produced it as it is, else ``None``.
        hits: Lookups of this process that were served it by meaning, newest first, as far as they
            are remembered.
        refused: How many of the remembered lookups came upon it and were not served it.
        question, text: Where asked for.
    """

    id: str
    model: str
    tenant: str | None
    user: str | None
    tags: tuple[str, ...]
    contexts: tuple[tuple[str, int], ...]
    embedder: str
    created: float | None
    age: float | None
    expires: float | None
    expired: bool
    latency: float | None
    cost_micros: int | None
    tokens: int | None
    hits: tuple[Served, ...]
    refused: int
    state: EntryState
    history: tuple[Happening, ...]
    origin: str | None = None
    question: str | None = None
    text: str | None = None
