"""``/v1/metrics``: what was measured, as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cache_fabric.fabric import CacheFabric
from cache_fabric.web.operations import Asked, Operation

__all__ = ["figure_operations"]


class Window(Struct, forbid_unknown_fields=True):
    """How far back, as ``15m``; else all that was ever measured."""

    window: str | None = None


class Series(Struct):
    """A row a minute, or an hour."""

    items: list[dict[str, Any]]


def figure_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations that tell the figures."""

    async def figures(asked: Asked) -> dict[str, Any]:
        return await fabric.get_metrics(asked.query.window)

    async def series(asked: Asked) -> Series:
        return Series(await fabric.get_metrics_series(asked.query.window))

    return (
        Operation(
            method="GET",
            path="/v1/metrics/series",
            call=series,
            summary="Say what was measured over time, at most a day back, oldest row first",
            query=Window,
            returns=Series,
        ),
        Operation(
            method="GET",
            path="/v1/metrics",
            call=figures,
            summary="Say what was measured, over all processes; unknown is null",
            query=Window,
            returns=dict[str, Any],
        ),
    )
