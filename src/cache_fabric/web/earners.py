"""Which answers earn most in the server's process: hits, and what they saved, by entry.

A bounded table: where it is full, the poorer half makes room, so that what it says of the answers
at the top is right and what it says of those at the bottom is at least so much.
"""

from __future__ import annotations

import threading

from msgspec import Struct

from cache_fabric.instrumentation.events import Event, LookupEvent

__all__ = ["Earned", "Earners"]

_MOST = 4096


class Earned(Struct):
    """What one answer did since the server began."""

    hits: int = 0
    micros: int = 0


class Earners:
    """A hook that counts; called from any thread."""

    def __init__(self) -> None:
        self._earned: dict[str, Earned] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        if not isinstance(event, LookupEvent) or event.entry_id is None or event.outcome != "hit":
            return
        with self._lock:
            earned = self._earned.get(event.entry_id)
            if earned is None:
                self._make_room()
                earned = self._earned[event.entry_id] = Earned()
            earned.hits += 1
            earned.micros += event.saved_micros or 0

    def of(self, entry_id: str) -> Earned:
        """Return what an answer earned; nothing if it is not known."""
        with self._lock:
            return self._earned.get(entry_id, Earned())

    def top(self, limit: int) -> list[str]:
        """Return the ids of those that earned most, first what saved most."""
        with self._lock:
            return sorted(self._earned, key=self._worth, reverse=True)[:limit]

    def _make_room(self) -> None:
        if len(self._earned) >= _MOST:
            kept = sorted(self._earned, key=self._worth, reverse=True)[: _MOST // 2]
            self._earned = {entry_id: self._earned[entry_id] for entry_id in kept}

    def _worth(self, entry_id: str) -> tuple[int, int]:
        earned = self._earned[entry_id]
        return earned.micros, earned.hits
