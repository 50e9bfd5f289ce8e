"""A fabric for Prometheus: what it has counted and how it stands, asked for at each scrape.

::

    from prometheus_client import REGISTRY, start_http_server
    REGISTRY.register(FabricCollector(fabric))
    start_http_server(9100)

A collector counts nothing itself. It shows the sums of `Totals`, so what Prometheus says and what
`CacheFabric.get_metrics` says are the same events, counted once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

from cache_fabric.errors import SyncCallOnIOLoopError, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation._prometheus_shapes import Metric, gauge
from cache_fabric.instrumentation.prometheus_families import families_of_standing, families_of_sums
from cache_fabric.instrumentation.totals import Totals

__all__ = ["FabricCollector", "Metric"]

_WITHOUT = "a scrape has no sums: %s"
_log = logging.getLogger("cache_fabric")


class FabricCollector:
    """A collector of `prometheus_client`.

    Args:
        fabric: Is asked at each scrape.
        scope: Whose events: ``process`` where every process is scraped; ``fabric`` for those of all
            processes, ended ones as well, where one scrape is for all, or where a server forks
            workers. These come from the store, as they were written some seconds ago. Gauges are of
            this process in either scope. While the store cannot be read, a scrape has no counters
            at all and ``cachefabric_sums_complete`` is 0: fewer than before would look like a
            restart, and all of them would be counted again after it.

    Raises `ValidationError` for another scope, and `MissingExtraError` without prometheus_client.
    """

    def __init__(
        self, fabric: CacheFabric, *, scope: Literal["process", "fabric"] = "process"
    ) -> None:
        if scope not in ("process", "fabric"):
            raise ValidationError("scope", f'expected "process" or "fabric", got {scope!r:.40}')
        self._fabric = fabric
        self._scope = scope

    def describe(self) -> Iterable[Metric]:
        """Return the names of all that may be collected, without any I/O."""
        return self._families(Totals())

    def collect(self) -> Iterable[Metric]:
        """Return what is so now.

        With ``scope="fabric"`` it blocks, and raises `SyncCallOnIOLoopError` on the loop that the
        fabric has adopted: see `acollect`.
        """
        if self._scope == "process":
            return self._families(self._fabric.own_sums())
        try:
            sums = self._fabric.sync.kept_sums()
        except SyncCallOnIOLoopError:
            raise
        except Exception as error:  # noqa: BLE001 - a scrape tells what it can
            _log.warning(_WITHOUT, type(error).__name__)
            return self._families(None)
        return self._families(sums)

    async def acollect(self) -> Iterable[Metric]:
        """Return what `collect` does; for an async server."""
        if self._scope == "process":
            return self._families(self._fabric.own_sums())
        try:
            sums = await self._fabric.kept_sums()
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning(_WITHOUT, type(error).__name__)
            return self._families(None)
        return self._families(sums)

    def _families(self, sums: Totals | None) -> list[Metric]:
        text = "1 when the sums of all processes in scope could be read, else 0."
        return [
            gauge("sums_complete", text, sums is not None),
            *families_of_standing(self._fabric.standing()),
            *([] if sums is None else families_of_sums(sums)),
        ]
