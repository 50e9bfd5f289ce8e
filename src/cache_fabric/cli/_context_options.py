"""What the commands on contexts share: their options, and the fabric that they work on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from cache_fabric.cli._fabric import fail, named_fabric
from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import ContextEntry
from cache_fabric.scopes import Owner
from cache_fabric.sync import SyncCacheFabric
from cache_fabric.types import ContextScope

__all__ = [
    "Author",
    "ChangeKind",
    "Changes",
    "Execution",
    "IfVersion",
    "Key",
    "Message",
    "Prefix",
    "Scope",
    "Tenant",
    "User",
    "found",
    "opened_contexts",
    "opened_fabric",
    "shared_scope",
]


class ChangeKind(StrEnum):
    """What a new version means for the answers given under the last one."""

    COSMETIC = "cosmetic"
    BEHAVIOUR = "behaviour"
    BREAKING = "breaking"


Key = Annotated[str, typer.Argument(show_default=False)]
Prefix = Annotated[str, typer.Argument(show_default=False)]
Tenant = Annotated[str | None, typer.Option(help="The tenant whose context it is.")]
User = Annotated[str | None, typer.Option(help="The user whose context it is.")]
Execution = Annotated[str | None, typer.Option(help="The execution whose context it is.")]
Scope = Annotated[
    ContextScope | None,
    typer.Option(help="Whose context; else the narrowest that an id is given for."),
]
Author = Annotated[str | None, typer.Option(help="Kept with the version.")]
Message = Annotated[str | None, typer.Option(help="Why; kept with the version.")]
IfVersion = Annotated[
    int | None, typer.Option(help="Write only over this version; 0 for a new key.")
]
Changes = Annotated[
    ChangeKind, typer.Option(help="A cosmetic change keeps the answers given so far.")
]


@contextmanager
def opened_contexts(where: str | None) -> Iterator[SyncCacheFabric]:
    """Yield the blocking methods of a fabric, as `opened_fabric` does the fabric."""
    with opened_fabric(where) as fabric:
        yield fabric.sync


@contextmanager
def opened_fabric(where: str | None) -> Iterator[CacheFabric]:
    """Yield a fabric, closed at the end; an error of it ends the command with its message."""
    try:
        fabric = named_fabric(where, index="memory")  # contexts need none, and Chroma takes 1 s
        try:
            yield fabric
        finally:
            fabric.sync.close()
    except CacheFabricError as error:
        fail(str(error))


def found(
    contexts: SyncCacheFabric, key: str, scope: ContextScope | None, owner: Owner, **which: Any
) -> ContextEntry:
    """Return a context, or end with the news that there is none."""
    entry: ContextEntry | None = contexts.get_context(
        key,
        scope=scope,
        tenant=owner.tenant,
        user=owner.user,
        execution_id=owner.execution_id,
        **which,
    )
    return entry if entry is not None else fail(f"no context {key!r}")


def shared_scope(tenant: str | None) -> ContextScope:
    """Return where the commands look that know no narrower scope than a tenant's."""
    return Owner(tenant).levels()[0]
