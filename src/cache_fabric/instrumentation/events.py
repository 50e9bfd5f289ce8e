"""The one frozen event of each thing that happens, and the hook that hears it.

Every metric names the fields of these events that it is computed from; nothing else is a source
of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cache_fabric.instrumentation.answer_events import (
    EmbeddingEvent,
    LookupEvent,
    StoreEvent,
    event_of,
    failure_of,
    said_in,
)
from cache_fabric.instrumentation.change_events import ChangesEvent, ResyncEvent
from cache_fabric.instrumentation.guard_event import GuardEvent
from cache_fabric.instrumentation.publish_event import PublishEvent
from cache_fabric.instrumentation.run_events import RunEvent, StepEvent
from cache_fabric.votes import Action

__all__ = [
    "ChangesEvent",
    "EmbeddingEvent",
    "Event",
    "EventHook",
    "ExecutionEvent",
    "FeedbackEvent",
    "LabelEvent",
    "LookupEvent",
    "PublishEvent",
    "ResyncEvent",
    "ReversalEvent",
    "RunEvent",
    "ShadowEvent",
    "StepEvent",
    "StoreEvent",
    "ValueEvent",
    "ValueOutcome",
    "VerdictEvent",
    "VerifierEvent",
    "event_of",
    "failure_of",
    "said_in",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvent:
    """A fresh answer showed whether the best neighbor's answer would have been right.

    Attributes:
        policy: Its name.
        family: Of the requests.
        probability: That the neighbor's answer is right, as the policy had stated it.
        similarity: Of the neighbor's question.
        right: Whether it was.
        weight: How many served answers a sampled would-be hit stands for; 0 for an answer that
            would not have been served.
        drifted: Whether this label made the policy tighten.
    """

    policy: str
    family: str
    probability: float
    similarity: float
    right: bool
    weight: float
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowEvent:
    """What the shadow policy would have done; or later, whether that would have been right.

    Attributes:
        policy: Its name.
        outcome: ``hit`` if it would have served the answer, ``miss`` if not, ``fault`` if it broke.
            Of a label, a would-be hit that it would have asked anew as a sample is a ``hit``.
        lookup_id: Of the lookup.
        agreed: Whether it decided as the serving policy did; ``None`` of a label or a fault.
        right: Of a label: whether the neighbor's answer was right; else ``None``.
        probability: That it is, as the policy had stated it, ``None`` if it states none.
        similarity: Of a label: that of the neighbor's question.
    """

    policy: str
    outcome: Literal["hit", "miss", "fault"]
    lookup_id: str
    agreed: bool | None = None
    right: bool | None = None
    probability: float | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierEvent:
    """A verifier was asked about a candidate in doubt.

    Attributes:
        outcome: ``answered``, ``timeout``, or ``failed``: it raised or said no probability.
        seconds: What that took the lookup.
        lookup_id: Of the lookup.
        cost_micros: What that cost, ``None`` where the verifier does not say.
    """

    outcome: Literal["answered", "timeout", "failed"]
    seconds: float
    lookup_id: str
    cost_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEvent:
    """A run that was handed in, or a step of one that goes on, has been written or was dropped.

    Attributes:
        outcome: ``kept`` or ``dropped``; ``unindexed`` for a kept one whose question is not found
            by meaning.
        execution_id: Of the run.
        reason: Of a drop: ``queue full``, ``closed``, ``not plain data``, or the fault.
    """

    outcome: Literal["kept", "dropped", "unindexed"]
    execution_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackEvent:
    """A feedback was kept; what it did to answers is told by `VerdictEvent`.

    Attributes:
        verdict: ``good``, ``bad`` or ``none``.
        execution_id: Of the run.
        name: What was judged.
        score: From 0 to 1, ``None`` if none was given.
        annotator: ``HUMAN``, ``LLM`` or ``CODE``.
        trusted: Whether it may act alone.
    """

    verdict: str
    execution_id: str = ""
    name: str = "feedback"
    score: float | None = None
    annotator: str = "HUMAN"
    trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalEvent:
    """What a hit had saved is taken back, because its answer was bad; or booked again.

    Attributes:
        entry_id: Of the answer.
        execution_id: Of the run that was served it; empty where its host could not read it.
        micros: Micro-dollars, ``None`` if the hit was not priced.
        tokens: Of the call that the hit stood in for; 0 where they are not known.
        again: True where they are booked again.
    """

    entry_id: str
    execution_id: str
    micros: int | None
    tokens: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictEvent:
    """A vote on an answer, or an operator's act, was counted.

    Attributes:
        entry_id: Of the answer.
        action: What it did: ``quarantined``, ``restored``, ``pinned``, ``confirmed``, ``held`` or
            ``none``.
        taught: Whether the policy learned from it; ``None`` where there was nothing to learn.
    """

    entry_id: str
    action: Action
    taught: bool | None = None


ValueOutcome = Literal["hit", "miss", "stored", "refused", "dropped", "evicted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueEvent:
    """Values beside the answers, such as vectors, were asked for, handed in, or lost.

    Attributes:
        kind: What they are, in the word of their host.
        outcome: ``hit`` and ``miss`` when they were asked for; ``stored`` or ``refused`` (too
            large, or its name is not Unicode) when they were handed in; ``dropped`` (queue full or
            backend fault) or ``evicted`` later.
        count: Of how many values.
        degraded: Of misses: the part of ours that failed, where they might have been hits.
    """

    kind: str
    outcome: ValueOutcome
    count: int
    degraded: str | None = None


Event = (
    LookupEvent
    | StoreEvent
    | EmbeddingEvent
    | LabelEvent
    | ShadowEvent
    | VerifierEvent
    | ExecutionEvent
    | FeedbackEvent
    | GuardEvent
    | ChangesEvent
    | ResyncEvent
    | PublishEvent
    | ReversalEvent
    | RunEvent
    | StepEvent
    | ValueEvent
    | VerdictEvent
)
EventHook = Callable[[Event], None]
