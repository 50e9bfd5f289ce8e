"""The one frozen event of each thing that happens, and the hook that hears it.

Every metric names the fields of these events that it is computed from; nothing else is a source
of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cache_fabric.types import Tier, Usage

__all__ = ["Event", "EventHook", "LookupEvent", "StoreEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupEvent:
    """One lookup ended; exactly one of these per lookup.

    Attributes:
        outcome: ``hit``, ``miss`` or ``bypass``.
        tier: Of a hit.
        reason: Of a miss or bypass, or why a hit was served.
        degraded: The part of ours that failed, for a miss that might have been a hit.
        seconds: What the lookup took the caller.
        original_seconds: Of a hit: what the model took for this answer, ``None`` if not known.
        usage: Of a hit: the tokens that were not spent.
        saved_micros: Of a hit: what those tokens would have cost, ``None`` if not priced.
    """

    outcome: Literal["hit", "miss", "bypass"]
    model: str
    reason: str
    seconds: float
    tier: Tier | None = None
    similarity: float | None = None
    degraded: str | None = None
    entry_id: str | None = None
    partition: str | None = None
    original_seconds: float | None = None
    usage: Usage | None = None
    saved_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEvent:
    """An answer was handed in after a miss, or its write behind ended badly.

    Attributes:
        outcome: ``stored``, ``refused`` (not fit to be kept, see reason), ``dropped`` (queue full
            or backend fault) or ``released`` (the model gave no answer).
        lookup_seconds: What the lookup before it took.
        seconds: What the model took, ``None`` if not known.
        cost_micros: What the call cost, ``None`` if not priced.
    """

    outcome: Literal["stored", "refused", "dropped", "released"]
    model: str
    reason: str = ""
    lookup_seconds: float = 0.0
    seconds: float | None = None
    usage: Usage | None = None
    cost_micros: int | None = None
    entry_id: str | None = None


Event = LookupEvent | StoreEvent
EventHook = Callable[[Event], None]
