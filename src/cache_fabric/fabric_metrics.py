"""The facade's methods on what was measured, and on who takes part."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cache_fabric.errors import BackendTimeout
from cache_fabric.instrumentation.measured import FabricMetrics, frame
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.series import rows_over_time, span_of
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.instrumentation.window import MINUTE, Window, first_minute
from cache_fabric.life import Life
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.version_records import Agent

__all__ = ["MetricsMethods"]

T = TypeVar("T")
_DAY = 86_400.0
_BUDGET = 1.0  # seconds that the sums of the other processes may take
_PATIENCE = 5.0  # seconds, of who asks for those alone, or for many minutes of them
_log = logging.getLogger("cache_fabric")


class MetricsMethods:
    """Figures over all processes of the fabric, and the named ones among them."""

    policy: Policy
    _metrics: Metrics

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def get_metrics(self, window: Window | None = None) -> FabricMetrics:
        """Return the figures; for each of them see `instrumentation.figures.figures`.

        They are of all processes of the fabric, ended ones as well, as of some seconds ago for the
        others. Where the store does not give their sums within a second, or within five for a
        window, they are of this process alone: ``scope`` is ``"fabric"`` or ``"process"``.

        Args:
            window: How far back, at most a day: ``"15m"``, seconds or a ``timedelta``, in whole
                minutes; default is all that was ever measured. ``since`` says where it begins, in
                seconds since the epoch.

        Returns:
            A dictionary, which a notebook shows as a table; ``plot()`` draws it, ``rows(by)`` tells
            it apart.

        Raises `ValidationError` for a window that is none.
        """
        first = None if window is None else first_minute(window, time.time())
        sums = self._life().sums
        totals, scope = await self._summed(
            lambda: sums.total() if first is None else sums.since(first),
            lambda: self._metrics.totals() if first is None else sums.own_since(first),
            _BUDGET if first is None else _PATIENCE,
        )
        since = None if first is None else first * MINUTE
        return FabricMetrics({"scope": scope, "since": since, **figures(totals)})

    async def fleet(self) -> list[Agent]:
        """Return the processes that have a name (``FabricConfig.agent``), by name.

        Each with the revision of the contexts that it serves; raises `BackendError`.
        """
        return await self._run(lambda life: life.fleet.agents())

    def own_sums(self) -> Totals:
        """Return what this process has counted; the same method in both colours."""
        self._life()  # in a forked child the counts begin anew
        return self._metrics.totals()

    async def kept_sums(self) -> Totals:
        """Return what all processes have written, each some seconds ago; raises `BackendError`.

        From the first time on this process follows the change log, so that `standing` knows of it.
        """

        async def found(life: Life) -> Totals:
            await life.know_contexts()
            return await life.sums.written()

        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._run(found)
        except TimeoutError as error:
            raise BackendTimeout("store", "sums", f"no answer in {_PATIENCE:g} s") from error

    def standing(self) -> Standing:
        """Return how this process stands; the same method in both colours."""
        life = self._life()
        view, marks = life.contexts.live.view, list(life.engine.verdicts.marks.values())
        pinned = sum(mark.pinned is not None for mark in marks)
        return Standing(
            revision=None if view is None else view.revision,
            connected=None if view is None else life.contexts.live.freshness.connected,
            quarantined=None if view is None else len(marks) - pinned,
            pinned=None if view is None else pinned,
            queued=len(life.tracking.queue),
            wrote_at=life.tracking.wrote_at,
            budget=self.policy.max_error if isinstance(self.policy, Verified) else None,
        )

    async def get_metrics_series(self, window: Window | None = None) -> list[dict[str, Any]]:
        """Return the figures over time, oldest first: a row a minute, or an hour beyond 3 hours.

        ``at`` is where a row begins, in seconds since the epoch, ``seconds`` its length; the first
        may begin before the window, the last goes on. Without requests rates are ``None``. Where
        the store does not give the sums of all processes within five seconds, ``scope`` of each
        row is ``"process"``.

        Args:
            window: How far back, at most a day, which is the default.

        Raises `ValidationError` for a window that is none.
        """
        now = time.time()
        first = first_minute(_DAY if window is None else window, now)
        seconds = span_of(int(now // MINUTE) - first)
        start, sums = first * MINUTE // seconds, self._life().sums
        spans, scope = await self._summed(
            lambda: sums.series(seconds, start),
            lambda: sums.own_series(seconds, start),
            _PATIENCE,
        )
        last = int(now // seconds)
        rows = await asyncio.to_thread(rows_over_time, spans, seconds, start, last)
        return [{**row, "scope": scope} for row in rows]

    async def metrics_frame(self, window: Window | None = None, by: str | None = None) -> Any:
        """Return figures as a pandas DataFrame.

        Args:
            window: As of `get_metrics`; of a series as of `get_metrics_series`.
            by: ``None`` for a series over time, with the time in UTC as index; else ``model``,
                ``tenant``, ``graph``, ``tag``, ``context`` or ``tier``: a row for each name.

        Raises:
            MissingExtraError: pandas is not installed.
            ValidationError: A window, or ``by``, that is none.
        """
        if by is None:
            return frame(await self.get_metrics_series(window), "at")
        return frame((await self.get_metrics(window)).rows(by), "name")

    async def _summed(
        self,
        of_all: Callable[[], Coroutine[Any, Any, T]],
        of_own: Callable[[], T],
        budget: float,
    ) -> tuple[T, str]:
        """Return sums over all processes, or else over this one, and which of the two it is."""
        portal = self._life().portal

        async def within_budget() -> tuple[T, str]:
            try:
                async with asyncio.timeout(budget):
                    return await of_all(), "fabric"
            except Exception as error:  # noqa: BLE001 - what is known here is told all the same
                _log.warning("figures are of this process alone: %s", type(error).__name__)
                return of_own(), "process"

        return (of_own(), "process") if portal.closed else await portal.run(within_budget)
