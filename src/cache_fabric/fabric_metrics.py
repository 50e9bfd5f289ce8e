"""The facade's methods on what was measured, and on who takes part."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cache_fabric.errors import BackendTimeout
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.instrumentation.window import Window, first_minute
from cache_fabric.life import Life
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.version_records import Agent

__all__ = ["MetricsMethods"]

T = TypeVar("T")
_BUDGET = 1.0  # seconds that the sums of the other processes may take
_PATIENCE = 5.0  # seconds, of who asks for those alone
_log = logging.getLogger("cache_fabric")


class MetricsMethods:
    """Figures over all processes of the fabric, and the named ones among them."""

    policy: Policy
    _metrics: Metrics

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def get_metrics(self, window: Window | None = None) -> dict[str, Any]:
        """Return the figures; for each of them see `instrumentation.figures.figures`.

        They are of all processes of the fabric, ended ones as well, as of some seconds ago for the
        others. Where the store does not give their sums within a second, they are of this process
        alone: ``scope`` is ``"fabric"`` or ``"process"``.

        Args:
            window: How far back, at most a day: ``"15m"``, seconds or a ``timedelta``, in whole
                minutes; default is all that was ever measured. ``since`` says where it begins, in
                seconds since the epoch.

        Raises `ValidationError` for a window that is none.
        """
        first = None if window is None else first_minute(window, time.time())
        life = self._life()
        if life.portal.closed:
            totals, scope = self._own(life, first), "process"
        else:
            totals, scope = await life.portal.run(lambda: self._totals(life, first))
        since = None if first is None else first * 60
        return {"scope": scope, "since": since, **figures(totals)}

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
        """Return what all processes have written, each some seconds ago; raises `BackendError`."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._run(lambda life: life.sums.written())
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

    async def _totals(self, life: Life, first: int | None) -> tuple[Totals, str]:
        try:
            async with asyncio.timeout(_BUDGET):
                found = life.sums.total() if first is None else life.sums.since(first)
                return await found, "fabric"
        except Exception as error:  # noqa: BLE001 - what is known here is told all the same
            _log.warning("figures are of this process alone: %s", type(error).__name__)
            return self._own(life, first), "process"

    def _own(self, life: Life, first: int | None) -> Totals:
        return self._metrics.totals() if first is None else life.sums.own_since(first)
