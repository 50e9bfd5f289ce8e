"""``/v1/contexts``: read, write and delete a context, and list them.

The ETag names the version as it is now; ``If-Match`` on a write is compare-and-set on the version
alone, for labels are no part of what is written.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from cache_fabric.errors import NotFound, ValidationError, VersionConflict
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import ContextEntry
from cache_fabric.types import ContextScope
from cache_fabric.web._placed import Owned, Placed, Wide
from cache_fabric.web.errors import refusal
from cache_fabric.web.operations import Asked, Operation, Reply
from cache_fabric.web.shapes import Context, Contexts, context

__all__ = ["context_operations", "etag"]

_MOST_BYTES = 2 * 1024 * 1024
_TAG = re.compile(r'"(\d{1,18})\.\d{1,18}\.[0-9a-f]{1,8}"')


class Which(Owned, forbid_unknown_fields=True, kw_only=True):
    """Which version, and whose."""

    scope: ContextScope | None = None
    version: int | None = None
    label: str | None = None
    max_staleness: float | None = None


class ContextsOf(Owned, forbid_unknown_fields=True, kw_only=True):
    """Whose, and what their keys begin with."""

    prefix: str = ""


class Written(Struct, forbid_unknown_fields=True, kw_only=True):
    """The next version."""

    value: Any
    metadata: dict[str, Any] = field(default_factory=dict)
    change: Literal["cosmetic", "behaviour", "breaking"] = "behaviour"
    ttl: float | None = None
    author: str | None = None
    message: str | None = None


def context_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations on one context, and the list of them."""

    async def read(asked: Asked) -> Reply:
        key = asked.names["key"]
        query = asked.query
        entry = await fabric.get_context(
            key,
            scope=query.scope,
            version=query.version,
            label=query.label,
            max_staleness=query.max_staleness,
            **query.ids(),
        )
        if entry is None:
            raise NotFound(f"no context {key!r}")
        headers = {"etag": etag(entry), "cache-control": "private, no-cache"}
        if etag(entry) in _tags(asked.headers.get("if-none-match", "")):
            return Reply(status=304, headers=headers)
        return Reply(context(entry), headers=headers)

    async def write(asked: Asked) -> Any:
        key, query, body = asked.names["key"], asked.query, asked.body
        try:
            entry = await fabric.set_context(
                key,
                body.value,
                query.scope,
                body.metadata,
                **query.ids(),
                if_version=_expected(asked.headers),
                change=body.change,
                ttl=body.ttl,
                author=body.author,
                message=body.message,
            )
        except VersionConflict as error:
            current = await fabric.get_context(key, scope=query.scope, **query.ids())
            return _lost(error, current)
        status = 201 if entry.version == 1 else 200
        return Reply(context(entry), status, {"etag": etag(entry)})

    async def delete(asked: Asked) -> Any:
        key, place = asked.names["key"], {"scope": asked.query.scope, "tenant": asked.query.tenant}
        try:
            entry = await fabric.delete_context(key, if_version=_expected(asked.headers), **place)
        except VersionConflict as error:
            return _lost(error, await fabric.get_context(key, **place))
        return context(entry)

    async def listed(asked: Asked) -> Contexts:
        found = await fabric.list_contexts(asked.query.prefix, **asked.query.ids())
        return Contexts(items=[context(entry) for entry in found])

    one = "/v1/contexts/{key}"
    return (
        Operation(
            method="GET",
            path="/v1/contexts",
            call=listed,
            summary="List the current contexts, of every scope that is named",
            query=ContextsOf,
            returns=Contexts,
        ),
        Operation(
            method="GET",
            path=one,
            call=read,
            summary="Read a context, from the narrowest scope that has it",
            query=Which,
            returns=Context,
            also=(304, 404),
            takes=("if-none-match",),
        ),
        Operation(
            method="PUT",
            path=one,
            call=write,
            summary="Write the next version of a context",
            query=Placed,
            body=Written,
            returns=Context,
            also=(201, 412),
            takes=("if-match", "if-none-match"),
            most_bytes=_MOST_BYTES,
        ),
        Operation(
            method="DELETE",
            path=one,
            call=delete,
            summary="Delete a context; its history stays",
            query=Wide,
            returns=Context,
            also=(404, 412),
            takes=("if-match",),
        ),
    )


def etag(entry: ContextEntry) -> str:
    """Return the entity tag of a version with its labels, and whether it is sure to be current."""
    said = zlib.crc32(repr((entry.labels, entry.stale)).encode())
    return f'"{entry.version}.{entry.revision}.{said:x}"'


def _expected(headers: Mapping[str, str]) -> int | None:
    """Return the version that a write demands, ``None`` where it demands none."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None:
        if none_match != "*" or match is not None:
            raise ValidationError("If-None-Match", "expected * alone: the key must not exist")
        return 0
    if match is None:
        return None
    found = _TAG.fullmatch(match.strip())
    if found is None:
        raise ValidationError("If-Match", "expected one ETag, as it was sent")
    return int(found[1])


def _tags(header: str) -> list[str]:
    """Return the tags of a list; a weak one names the same bytes here."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def _lost(error: VersionConflict, current: ContextEntry | None) -> Any:
    """Answer a lost compare-and-set with what won it, so that it can be merged and tried again."""
    shown = None if current is None else context(current)
    said = refusal(412, None, str(error), shown)
    if current is not None:
        said.headers["etag"] = etag(current)
    return said
