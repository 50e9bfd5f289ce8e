"""The sums of this process, in all, by the minute and by the hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Set

from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.sums import add_event
from cache_fabric.instrumentation.totals import Totals, tenants_in
from cache_fabric.instrumentation.window import HOUR, MINUTE

__all__ = ["HOUR", "MINUTE", "SPANS", "Metrics", "figures"]

SPANS = {MINUTE: 1440, HOUR: 25}
"""Seconds of a span, and how many of these are kept each by itself."""


class Metrics:
    """Adds events up; a hook of the fabric, called from any thread.

    Events are added to the sums of the running minute alone; those join the rest when it is over.
    A span has a number: how many of its length have passed since the epoch.

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
        self._hour = Totals()  # the running one, without the running minute
        self._spans: dict[int, dict[int, bytes]] = {seconds: {} for seconds in SPANS}
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

    def spans(self, seconds: int, first: int) -> dict[int, bytes]:
        """Return the packed sums of each minute or hour from one on, by its number."""
        with self._lock:
            found = {n: data for n, data in self._spans[seconds].items() if n >= first}
            running = self._minute * MINUTE // seconds
            if self._minute and running >= first:
                found[running] = self._running(seconds).packed()
        return found

    def tenants(self) -> set[str]:
        """Return the names of tenants in all sums; takes a while, but holds up no event."""
        with self._lock:
            running = (self._past, self._hour, self._now)
            names = {name for totals in running for name in totals.shares.rows()["tenant"]}
        return names.union(*(tenants_in(data) for _, _, data in self._ended()))

    def forget_tenants(self, names: Set[str]) -> None:
        """Take names of tenants out of all sums; takes a while, but holds up no event."""
        with self._lock:
            for totals in (self._past, self._hour, self._now):
                totals.shares.forget("tenant", names)
        for seconds, number, data in self._ended():
            if names.isdisjoint(tenants_in(data)):
                continue
            totals = Totals.unpacked(data)
            totals.shares.forget("tenant", names)
            with self._lock:
                if number in self._spans[seconds]:
                    self._spans[seconds][number] = totals.packed()

    def _ended(self) -> list[tuple[int, int, bytes]]:
        """Length, number and sums of the minutes and hours that are over."""
        with self._lock:
            return [
                (seconds, number, data)
                for seconds, spans in self._spans.items()
                for number, data in spans.items()
            ]

    def _running(self, seconds: int) -> Totals:
        if seconds == MINUTE:
            return self._now
        hour = Totals()
        hour.add(self._hour)
        hour.add(self._now)
        return hour

    def _turn(self, now: float) -> None:
        """Begin another minute."""
        minute = int(now // MINUTE)
        if self._minute:
            self._past.add(self._now)
            self._hour.add(self._now)
            self._end(MINUTE, self._minute, self._now)
            if minute * MINUTE // HOUR != self._minute * MINUTE // HOUR:
                self._end(HOUR, self._minute * MINUTE // HOUR, self._hour)
                self._hour = Totals()
        self._minute = minute
        self._ends = (minute + 1) * MINUTE
        self._now = Totals()

    def _end(self, seconds: int, number: int, sums: Totals) -> None:
        spans = self._spans[seconds]
        spans[number] = sums.packed()
        while len(spans) > SPANS[seconds]:
            del spans[next(iter(spans))]


def _nothing() -> None:
    return
