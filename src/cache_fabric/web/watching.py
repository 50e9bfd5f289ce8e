"""``/v1/watch``: every change of a context, in order and without a gap."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from cache_fabric.fabric import CacheFabric
from cache_fabric.records import Resync
from cache_fabric.web.operations import Asked, Operation
from cache_fabric.web.streams import Told, last_seen, stream

__all__ = ["watch_operations"]


class Watched(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whose contexts, what their keys begin with, and after which revision."""

    prefix: str = ""
    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    tenant: str | None = None
    user: str | None = None


class Begun(Struct):
    """Where a watch begins that named no revision."""

    revision: int


class Changed(Struct, kw_only=True):
    """One key changed; see `cache_fabric.records.ContextChange`."""

    revision: int
    at: datetime
    op: str
    key: str
    scope: str
    version: int
    behaviour: int
    before: int | None
    label: str | None
    author: str | None
    message: str | None
    last: bool


class Missed(Struct):
    """Changes were missed: take a snapshot, and go on after its revision."""

    revision: int
    reason: str


def watch_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operation that never ends."""

    async def watch(asked: Asked) -> Response:
        query = asked.query
        after = last_seen(asked.headers, query.after)
        begins = after is None
        if after is None:
            after = (await fabric.snapshot_contexts(query.prefix)).revision
        return stream(_told(fabric, query, after, begins=begins))

    return (
        Operation(
            method="GET",
            path="/v1/watch",
            call=watch,
            summary="Follow the changes of contexts",
            query=Watched,
            events={"begin": Begun, "change": Changed, "resync": Missed},
            takes=("last-event-id",),
            media_type="text/event-stream",
        ),
    )


async def _told(
    fabric: CacheFabric, query: Watched, after: int, *, begins: bool
) -> AsyncGenerator[Told]:
    if begins:
        yield Told("begin", Begun(after), after)
    changes = fabric.watch(query.prefix, after, tenant=query.tenant, user=query.user)
    async with contextlib.aclosing(changes):
        async for change in changes:
            if isinstance(change, Resync):
                yield Told("resync", Missed(change.revision, change.reason), change.revision)
                continue
            told = msgspec.convert(change, Changed, from_attributes=True)
            # Of a bundle only the last change is a place to resume from.
            yield Told("change", told, change.revision if change.last else None)
