"""Server-sent events: what happens, told as it happens, to be resumed where it was left.

Who comes back says in ``Last-Event-ID`` what it saw last, as browsers do on their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent

from cache_fabric.errors import ValidationError

__all__ = ["HEARTBEAT", "Told", "last_seen", "stream"]

HEARTBEAT = 15
"""Seconds after which a comment says that nothing happened."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event; without an ``id`` it is no place to resume from."""

    event: str
    data: Any
    id: int | None = None


def stream(told: AsyncGenerator[Told]) -> EventSourceResponse:
    """Return a response without end; it closes the generator when the reader leaves."""
    return EventSourceResponse(_framed(told), ping=HEARTBEAT, sep="\n")


def last_seen(headers: Mapping[str, str], after: int | None) -> int | None:
    """Return where a reader goes on; what it saw stands above what its address says."""
    seen = headers.get("last-event-id")
    if seen is None:
        return after
    if not (seen.isascii() and seen.isdigit()) or len(seen) > 18:
        raise ValidationError("Last-Event-ID", "expected a revision")
    return int(seen)


async def _framed(told: AsyncGenerator[Told]) -> AsyncIterator[ServerSentEvent]:
    try:
        async for one in told:
            data = msgspec.json.encode(one.data).decode()
            yield ServerSentEvent(data, event=one.event, id=None if one.id is None else str(one.id))
    finally:
        await told.aclose()
