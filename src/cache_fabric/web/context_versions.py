"""``/v1/contexts/{key}/...``: what became of a context, and going back."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cache_fabric.errors import NotFound
from cache_fabric.fabric import CacheFabric
from cache_fabric.version_records import VersionScore
from cache_fabric.web._placed import Wide
from cache_fabric.web.operations import Asked, Operation
from cache_fabric.web.shapes import Context, Contexts, context

__all__ = ["version_operations"]

_ONE = "/v1/contexts/{key}"


class Two(Wide, forbid_unknown_fields=True, kw_only=True):
    """The versions that are compared."""

    a: int
    b: int


class Diff(Struct):
    """What differs, as a unified diff; empty where nothing does."""

    diff: str


class Pointed(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a label points to; moving ``production`` needs ``if_version`` or ``force``."""

    version: int
    if_version: int | None = None
    force: bool = False


class Back(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which version becomes current again."""

    version: int
    author: str | None = None
    message: str | None = None


class Judged(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whose runs, and from when on (seconds since the epoch)."""

    tenant: str | None = None
    since: float | None = None


class Scores(Struct):
    """What feedback says of each version, newest version first."""

    items: list[VersionScore]


def version_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations on the versions and labels of a context."""

    async def versions(asked: Asked) -> Contexts:
        key = asked.names["key"]
        found = await fabric.context_history(key, **_place(asked))
        if not found:
            raise NotFound(f"no context {key!r}")
        return Contexts(items=[context(entry) for entry in found])

    async def diff(asked: Asked) -> Diff:
        two = asked.query
        found = await fabric.context_diff(asked.names["key"], two.a, two.b, **_place(asked))
        return Diff(str(found))  # msgspec takes no subclass of text

    async def point(asked: Asked) -> Context:
        names, body = asked.names, asked.body
        entry = await fabric.label_context(
            names["key"],
            names["label"],
            body.version,
            if_version=body.if_version,
            force=body.force,
            **_place(asked),
        )
        return context(entry)

    async def go_back(asked: Asked) -> Context:
        body = asked.body
        entry = await fabric.rollback_context(
            asked.names["key"],
            body.version,
            author=body.author,
            message=body.message,
            **_place(asked),
        )
        return context(entry)

    async def scores(asked: Asked) -> Scores:
        query = asked.query
        key = asked.names["key"]
        return Scores(await fabric.feedback_summary(key, tenant=query.tenant, since=query.since))

    return (
        Operation(
            method="GET",
            path=f"{_ONE}/versions",
            call=versions,
            summary="List every version, oldest first, tombstones too",
            query=Wide,
            returns=Contexts,
            also=(404,),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/diff",
            call=diff,
            summary="Compare two versions",
            query=Two,
            returns=Diff,
            also=(404,),
        ),
        Operation(
            method="PUT",
            path=f"{_ONE}/labels/{{label}}",
            call=point,
            summary="Point a label at a version, and answer with the current one",
            query=Wide,
            body=Pointed,
            returns=Context,
            also=(404, 412),
        ),
        Operation(
            method="POST",
            path=f"{_ONE}/rollback",
            call=go_back,
            summary="Make an earlier version current again, with the answers given under it",
            query=Wide,
            body=Back,
            returns=Context,
            also=(404,),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/scores",
            call=scores,
            summary="Say what feedback says of each version",
            query=Judged,
            returns=Scores,
        ),
    )


def _place(asked: Asked) -> dict[str, Any]:
    return {"scope": asked.query.scope, "tenant": asked.query.tenant}
