"""Whether the server runs, and whether its store does: for whoever starts and watches it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.web.operations import Asked, Operation, Reply

__all__ = ["health_operations"]


class Health(Struct):
    """Always this: it runs."""

    status: Literal["ok"] = "ok"


class Readiness(Struct):
    """``away`` where contexts are the last known ones, and what needs the store fails."""

    status: Literal["ready", "away"]


def health_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return ``/healthz`` and ``/readyz``."""

    async def alive(_: Asked) -> Health:
        return Health()

    async def ready(_: Asked) -> Reply:
        try:
            await fabric.open()
            away = (await fabric.snapshot_contexts()).stale
        except CacheFabricError:
            away = True
        return Reply(Readiness("away"), 503) if away else Reply(Readiness("ready"))

    return (
        Operation(
            method="GET",
            path="/healthz",
            call=alive,
            summary="Say that the server runs",
            returns=Health,
        ),
        Operation(
            method="GET",
            path="/readyz",
            call=ready,
            summary="Say whether the store answers",
            returns=Readiness,
            also=(503,),
        ),
    )
