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


def figure_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operation that tells the figures."""

    async def figures(asked: Asked) -> dict[str, Any]:
        return await fabric.get_metrics(asked.query.window)

    return (
        Operation(
            method="GET",
            path="/v1/metrics",
            call=figures,
            summary="Say what was measured, over all processes; unknown is null",
            query=Window,
            returns=dict[str, Any],
        ),
    )
