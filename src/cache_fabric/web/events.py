"""``/v1/events``: what happens, as it happens, in one stream."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from cache_fabric.fabric import CacheFabric
from cache_fabric.web.hub import Hub
from cache_fabric.web.operations import Asked, Operation
from cache_fabric.web.streams import last_seen, stream

__all__ = ["event_operations"]


class Moment(Struct):
    """When it happened, in seconds since the epoch, beside the fields of the event."""

    at: float


_KINDS = (
    *("lookup", "store", "change", "execution", "feedback", "verdict"),
    *("metrics", "fleet", "resync"),
)


def event_operations(fabric: CacheFabric, hub: Hub) -> tuple[Operation, ...]:
    """Return the operation that tells what a hub hears."""

    async def listen(asked: Asked) -> Response:
        after = last_seen(asked.headers, None)
        await fabric.snapshot_contexts()  # from then on the change log is followed
        return stream(hub.listen(after))

    return (
        Operation(
            method="GET",
            path="/v1/events",
            call=listen,
            summary="Follow what happens; resync says that events were missed",
            events=dict.fromkeys(_KINDS, Moment),
            takes=("last-event-id",),
            media_type="text/event-stream",
        ),
    )
