"""The last lookups of this process, so that each of them can be explained.

Two rings: a lookup that was judged by meaning is not pushed out by the repeats after it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

from cache_fabric.policy.trace import Trace
from cache_fabric.types import Hit, Miss, Ticket, Tier

__all__ = ["KEPT", "Decisions", "Recorded"]

KEPT = 1_000
"""Lookups that are remembered of those that were judged, and of those that were not."""
_LONGEST_QUESTION = 1_000


class Recorded(NamedTuple):
    """One lookup; what it refers to by id may be gone by now.

    Attributes:
        id: Of the lookup.
        at: When it ended, seconds since the epoch.
        outcome, tier, reason, seconds, similarity, probability, stale, degraded: As in its result.
        model: That was asked.
        question: Its first 1,000 characters, ``None`` where nothing may be served by meaning.
        entry_id: Of the answer that was served.
        born: When the model gave that answer.
        contexts: Path and behaviour of the contexts that the request was made under.
        trace: What the policy's decision rested on, ``None`` if it was not asked.
    """

    id: str
    at: float
    outcome: Literal["hit", "miss"]
    reason: str
    model: str
    question: str | None
    seconds: float
    contexts: tuple[tuple[str, int], ...]
    trace: Trace | None
    tier: Tier | None = None
    entry_id: str | None = None
    born: float | None = None
    similarity: float | None = None
    probability: float | None = None
    stale: bool = False
    degraded: str | None = None


class Decisions:
    """Remembers lookups; called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._judged: deque[Recorded] = deque(maxlen=KEPT)
        self._others: deque[Recorded] = deque(maxlen=KEPT)

    def record(self, ticket: Ticket, result: Hit | Miss) -> None:
        """Remember how a lookup ended."""
        recorded = _recorded(ticket, result)
        with self._lock:
            (self._others if recorded.trace is None else self._judged).append(recorded)

    def find(self, lookup_id: str) -> Recorded | None:
        """Return a lookup by its id, ``None`` if it is not remembered."""
        return next((one for one in self._all() if one.id == lookup_id), None)

    def about(self, entry_id: str) -> list[Recorded]:
        """Return the lookups by meaning that came upon an entry, oldest first."""
        return [one for one in self._all() if one.trace is not None and _met(one.trace, entry_id)]

    def served(self, entry_id: str) -> list[Recorded]:
        """Return the lookups that were served an answer, oldest first."""
        found = [one for one in self._all() if one.entry_id == entry_id]
        return sorted(found, key=lambda one: one.at)

    def clear(self) -> None:
        """Forget every lookup."""
        with self._lock:
            self._judged.clear()
            self._others.clear()

    def _all(self) -> Iterable[Recorded]:
        with self._lock:
            return [*self._judged, *self._others]


def _met(trace: Trace, entry_id: str) -> bool:
    return any(candidate.entry_id == entry_id for candidate in trace.candidates)


def _recorded(ticket: Ticket, result: Hit | Miss) -> Recorded:
    question = ticket.keys.question
    if question is not None:
        question = question[:_LONGEST_QUESTION]
    known = (question, result.seconds, ticket.keys.contexts, ticket.trace)
    model = ticket.request.model
    if isinstance(result, Miss):
        return Recorded(
            *(ticket.id, time.time(), "miss", result.reason, model),
            *known,
            similarity=result.nearest.similarity if result.nearest else None,
            probability=result.probability,
            degraded=result.degraded,
        )
    return Recorded(
        *(ticket.id, time.time(), "hit", result.reason, model),
        *known,
        tier=result.tier,
        entry_id=result.entry.id,
        born=result.entry.created,
        similarity=result.similarity,
        probability=result.probability,
        stale=result.stale,
    )
