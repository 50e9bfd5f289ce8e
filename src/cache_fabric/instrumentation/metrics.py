"""The sums of this process, in all and by the minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.sums import add_event
from cache_fabric.instrumentation.totals import Totals

__all__ = ["DAY", "MINUTE", "Metrics", "figures"]

MINUTE = 60.0
DAY = 1440
"""Minutes that are kept each by itself."""


class Metrics:
    """Adds events up; a hook of the fabric, called from any thread.

    Events are added to the sums of the running minute alone; those join the rest when it is over.

    Args:
        clock: Seconds since the epoch.

    Attributes:
        stirred: Called at the first event after `calm`, from the thread of the event.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.stirred: Callable[[], None] = _nothing
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a forked child: what is there is its parent's."""
        # A thread may take it twice: a garbage collection inside may end a run, which is an event.
        # After a fork the parent's may be held by a thread that is not there.
        self._lock = threading.RLock()
        self._ends = 0.0
        self._minute = 0
        self._now = Totals()
        self._past = Totals()
        self._minutes: dict[int, bytes] = {}
        self._quiet = True

    def __call__(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            if now >= self._ends:
                self._turn(now)
            add_event(self._now, event)
            stirs, self._quiet = self._quiet, False
        if stirs:
            self.stirred()

    def calm(self) -> None:
        """Have ``stirred`` called at the next event."""
        with self._lock:
            self._quiet = True

    def totals(self) -> Totals:
        """Return a copy of the sums so far."""
        copy = Totals()
        with self._lock:
            copy.add(self._past)
            copy.add(self._now)
        return copy

    def minutes(self, first: int) -> dict[int, bytes]:
        """Return the packed sums of each minute from one on, counted since the epoch."""
        with self._lock:
            found = {minute: data for minute, data in self._minutes.items() if minute >= first}
            if self._minute >= first:
                found[self._minute] = self._now.packed()
        return found

    def forget_tenant(self, name: str) -> None:
        """Take a tenant's name out of the sums."""
        with self._lock:
            for totals in (self._past, self._now):
                totals.shares.forget("tenant", name)
            for minute, data in self._minutes.items():
                totals = Totals.unpacked(data)
                if totals.shares.forget("tenant", name):
                    self._minutes[minute] = totals.packed()

    def _turn(self, now: float) -> None:
        """Begin another minute."""
        if self._minute:
            self._past.add(self._now)
            self._minutes[self._minute] = self._now.packed()
            while len(self._minutes) > DAY:
                del self._minutes[next(iter(self._minutes))]
        self._minute = int(now // MINUTE)
        self._ends = (self._minute + 1) * MINUTE
        self._now = Totals()


def _nothing() -> None:
    return
