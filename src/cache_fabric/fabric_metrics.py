"""The facade's methods on what was measured, and on who takes part."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.instrumentation.window import Window, first_minute
from cache_fabric.life import Life
from cache_fabric.version_records import Agent

__all__ = ["MetricsMethods"]

_BUDGET = 1.0  # seconds that the sums of the other processes may take
_log = logging.getLogger("cache_fabric")


class MetricsMethods:
    """Figures over all processes of the fabric, and the named ones among them."""

    _metrics: Metrics

    def _life(self) -> Life:
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
        life = self._life()
        return await life.portal.run(lambda: life.fleet.agents())

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
