"""``/v1/bundles`` and ``/v1/snapshot``: many contexts written, and read, at one revision."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from cache_fabric.bundle import Bundle
from cache_fabric.fabric import CacheFabric
from cache_fabric.types import ContextScope
from cache_fabric.web._placed import Owned
from cache_fabric.web.operations import Asked, Operation, Reply
from cache_fabric.web.shapes import Context, context

__all__ = ["bundle_operations"]

_MOST_BYTES = 16 * 1024 * 1024


class Setting(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="set"):
    """The next version of a context."""

    key: str
    value: Any
    scope: ContextScope = ContextScope.GLOBAL
    metadata: dict[str, Any] = field(default_factory=dict)
    tenant: str | None = None
    user: str | None = None
    execution_id: str | None = None
    if_version: int | None = None
    change: Literal["cosmetic", "behaviour", "breaking"] = "behaviour"
    ttl: float | None = None


class Labelling(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="label"):
    """A label; it may point at a version that the bundle makes."""

    key: str
    label: str
    version: int
    if_version: int | None = None
    force: bool = False
    scope: ContextScope = ContextScope.GLOBAL
    tenant: str | None = None


class Deletion(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="delete"):
    """A tombstone."""

    key: str
    if_version: int | None = None
    scope: ContextScope = ContextScope.GLOBAL
    tenant: str | None = None


class Changes(Struct, forbid_unknown_fields=True, kw_only=True):
    """What becomes visible at one revision, or not at all."""

    changes: Annotated[list[Setting | Labelling | Deletion], Meta(min_length=1)]
    author: str | None = None
    message: str | None = None


class Published(Struct, kw_only=True):
    """The revision, and the contexts after it, in the order of the changes."""

    revision: int
    items: list[Context]


class Seen(Owned, forbid_unknown_fields=True, kw_only=True):
    """Whose contexts, and what their keys begin with."""

    prefix: str = ""


class Snapshot(Struct, kw_only=True):
    """Each context from its narrowest scope; ``/v1/watch?after=revision`` goes on from here."""

    revision: int
    items: list[Context]
    stale: bool


def bundle_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations on many contexts at once."""

    async def publish(asked: Asked) -> Published:
        said = asked.body
        async with fabric.publish(message=said.message, author=said.author) as bundle:
            for change in said.changes:
                _plan(bundle, change)
        assert bundle.revision is not None
        items = [context(entry) for entry in bundle.entries]
        return Published(revision=bundle.revision, items=items)

    async def snapshot(asked: Asked) -> Reply:
        seen = await fabric.snapshot_contexts(asked.query.prefix, **asked.query.ids())
        items = [context(entry) for entry in seen.entries]
        return Reply(Snapshot(revision=seen.revision, items=items, stale=seen.stale))

    return (
        Operation(
            method="POST",
            path="/v1/bundles",
            call=publish,
            summary="Publish several changes at one revision, or none of them",
            body=Changes,
            returns=Published,
            status=201,
            also=(404, 412),
            most_bytes=_MOST_BYTES,
        ),
        Operation(
            method="GET",
            path="/v1/snapshot",
            call=snapshot,
            summary="Read all contexts that an owner sees, as of one revision",
            query=Seen,
            returns=Snapshot,
        ),
    )


def _plan(bundle: Bundle, change: Setting | Labelling | Deletion) -> None:
    given = {name: getattr(change, name) for name in change.__struct_fields__}
    if isinstance(change, Setting):
        bundle.set_context(**given)
    elif isinstance(change, Labelling):
        bundle.label_context(**given)
    else:
        bundle.delete_context(**given)
