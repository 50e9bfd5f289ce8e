"""What feedback says of one kept answer, and what came of it: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cache_fabric.provenance import Served

__all__ = ["Action", "Annotator", "Effect", "Verdict", "Vote"]

Verdict = Literal["good", "bad"]
Annotator = Literal["HUMAN", "LLM", "CODE"]
Action = Literal["quarantined", "restored", "pinned", "confirmed", "held", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One feedback about one answer that an execution was given.

    Attributes:
        feedback_id: Of the feedback: one execution, name and annotator. A vote of the same id
            replaces the earlier one.
        execution_id: Of the run.
        served: The answer, and how it came to the run.
        verdict: ``None`` says nothing of the answer, or takes an earlier vote back.
        annotator: Who, ``""`` where nobody is named.
        kind: What the annotator is.
        trusted: Whether one vote is enough.
        at: Seconds since the epoch.
        why: In the annotator's words.
        correction: The right answer.
        tenant, user: Whose run it was.
    """

    feedback_id: str
    execution_id: str
    served: Served
    verdict: Verdict | None
    annotator: str
    kind: Annotator
    trusted: bool
    at: float
    why: str = ""
    correction: str | None = None
    tenant: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a vote did to an answer.

    Attributes:
        entry_id: Of the answer; of a pinned one, of the new entry.
        action: ``held`` when the vote counts but changes nothing yet; ``none`` when it says
            nothing, or when there is nothing to change.
        reason: Why, in words.
    """

    entry_id: str
    action: Action
    reason: str = ""
