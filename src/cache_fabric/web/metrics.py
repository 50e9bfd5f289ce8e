"""``/metrics``: what all processes counted, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import Response

from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.prometheus import FabricCollector, Metric
from cache_fabric.web.operations import Asked, Operation

__all__ = ["metrics_operations"]


class _Collected(Collector):
    """Families that have been collected, as encoders take them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def metrics_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operation that is scraped; see `FabricCollector` for its scope, the fabric."""
    collector = FabricCollector(fabric, scope="fabric")

    async def metrics(asked: Asked) -> Response:
        encode, media_type = choose_encoder(asked.headers.get("accept", ""))
        collected = _Collected(await collector.acollect())
        body = await asyncio.to_thread(encode, collected)  # of two hundred models it takes a while
        return Response(body, headers={"Content-Type": media_type})

    return (
        Operation(
            method="GET",
            path="/metrics",
            call=metrics,
            summary="Say what was counted, over all processes, for Prometheus",
            returns=str,
            media_type="text/plain",
        ),
    )
