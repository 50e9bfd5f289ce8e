"""Executions leave by age and by number; those that were judged stay twice as long.

The process that writes looks at its first write, and at one after every so many writes or an hour,
in the background and in steps between which lookups take their turns. Executions with feedback are
counted by themselves: as many of them may stay as of the others, and up to twice the age. A process
that ends in between leaves the rest to the next look, its own or another's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from cache_fabric.background import in_background
from cache_fabric.config import FabricConfig
from cache_fabric.executions import JUDGED, Executions, Run
from cache_fabric.stores.documents import Query

__all__ = ["Retention"]

_EVERY = 1_000  # writes between two looks
_HOUR = 3_600.0  # seconds between them where there are fewer writes
_PAGE = 200
_NEAR = 1e-6  # seconds, about what two readings of a clock differ by
_DAY = 86_400.0  # what a clock may be ahead
_log = logging.getLogger("cache_fabric")


class Retention:
    """The bounds on the executions of one namespace; lives on the home loop."""

    def __init__(self, executions: Executions, config: FabricConfig) -> None:
        self._executions = executions
        self._max_age = config.executions_max_age
        self._max_count = config.executions_max_count
        self._writes = 0
        self._looks_at = 0.0
        self._stopping = False
        self._one_at_a_time = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    def wrote(self) -> None:
        """Note a write; looks in the background if it is time to."""
        self._writes += 1
        is_idle = self._looking is None or self._looking.done()
        is_due = self._writes >= _EVERY or time.time() >= self._looks_at
        if is_due and is_idle and not self._stopping and (self._max_age or self._max_count):
            self._writes = 0
            self._looks_at = time.time() + _HOUR
            self._looking = in_background(self._apply_quietly())

    async def apply(self) -> None:
        """Delete what is too old or too much; raises `BackendError` or `Degraded`."""
        async with self._one_at_a_time:
            now = time.time()
            if self._max_age is not None:
                await self._delete(now - 2 * self._max_age, judged=True)
                await self._delete(now - self._max_age, judged=False)
                await self._executions.delete_events(Query(until=now - 2 * self._max_age))
            if self._max_count is not None:
                for judged in (False, True):
                    await self._shorten(self._max_count, now, judged=judged)

    async def stop(self) -> None:
        """End what goes on in the background, between two of its steps; idempotent."""
        self._stopping = True
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=1.0)
            self._looking.cancel()

    async def _apply_quietly(self) -> None:
        try:
            await self.apply()
        except Exception as error:  # noqa: BLE001 - the next look does it
            _log.warning("executions could not be let go: %s", type(error).__name__)

    async def _shorten(self, most: int, now: float, *, judged: bool) -> None:
        """Delete the oldest of those that are too many."""
        surplus = await self._count(None, judged) - most
        if surplus <= 0:
            return
        # Halve the interval in which the surplus ends. Many may share one time: `until` may stay
        # below the surplus and `beyond` above it however near they come.
        until, beyond = 0.0, now + _DAY
        while beyond - until > _NEAR and not self._stopping:
            middle = (until + beyond) / 2
            if await self._count(middle, judged) <= surplus:
                until = middle
            else:
                beyond = middle
        if self._stopping:  # `until` may be anywhere still
            return
        await self._delete(until, judged=judged)
        surplus = await self._count(None, judged) - most
        if surplus > 0:
            await self._delete(beyond, judged=judged, most=surplus)

    async def _count(self, until: float | None, judged: bool) -> int:
        marked = [
            await self._executions.count(Query(terms=frozenset({mark}), until=until))
            for mark in JUDGED
        ]
        if judged:
            return sum(marked)
        return await self._executions.count(Query(until=until)) - sum(marked)

    async def _delete(self, until: float, *, judged: bool, most: int | None = None) -> None:
        """Delete what is older, at most so many."""
        deleted = 0
        for mark in JUDGED if judged else (None,):
            query = Query(terms=frozenset(() if mark is None else {mark}), until=until)
            async for runs in self._pages(query):
                kept = set() if judged else await self._executions.judged_among(runs)
                going = [run for run in runs if run[0] not in kept]
                going = going if most is None else going[: most - deleted]
                if going:
                    await self._executions.delete(going, with_feedback=judged)
                deleted += len(going)
                if deleted == most:
                    return

    async def _pages(self, query: Query) -> AsyncIterator[list[Run]]:
        after: str | None = None
        while not self._stopping:
            runs, after = await self._executions.find(query, after, _PAGE)
            yield runs
            if after is None:
                return
            await asyncio.sleep(0)  # lookups take turns
