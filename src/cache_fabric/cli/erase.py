"""``cache-fabric erase``: all that is kept of a user or a tenant, with a receipt."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.console import Console

from cache_fabric.cli._context_views import add_row, moment, new_table
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, named_fabric, print_json
from cache_fabric.errors import CacheFabricError, IncompleteErasure
from cache_fabric.receipt import Receipt
from cache_fabric.sync import SyncCacheFabric

__all__ = ["erase"]


def erase(
    user: Annotated[str | None, typer.Option(help="Whose data is erased.")] = None,
    tenant: Annotated[str | None, typer.Option(help="The same; with --user, of that user.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Erase all that is kept of a user or a tenant, and say what remains until when.

    An index in a folder belongs to one process: where an application has it open, erase there.
    """
    try:
        opened = named_fabric(fabric)
        try:
            receipt = _erased(opened.sync, user, tenant, dry_run=dry_run, ask=not yes)
        finally:
            opened.sync.close()
    except IncompleteErasure as error:
        _show(error.receipt, as_json=json)
        fail(str(error))
    except CacheFabricError as error:
        fail(str(error))
    _show(receipt, as_json=json)


def _erased(
    fabric: SyncCacheFabric, user: str | None, tenant: str | None, *, dry_run: bool, ask: bool
) -> Receipt:
    if dry_run:
        return fabric.erase(user=user, tenant=tenant, dry_run=True)
    if ask:
        counted = fabric.erase(user=user, tenant=tenant, dry_run=True)
        what = ", ".join(f"{place.count:,} {place.name}" for place in counted.places)
        typer.confirm(f"Erase {what} for good?", abort=True, err=True)
    return fabric.erase(user=user, tenant=tenant)


def _show(receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(receipt))
        return
    table = new_table("what", "where", "how many", "state")
    for place in receipt.places:
        count = "" if place.count is None else f"{place.count:,}"
        add_row(table, place.name, place.where, count, place.state)
    console = Console()
    console.print(table)
    if receipt.remaining:
        remains = new_table("what remains", "until")
        for one in receipt.remaining:
            add_row(remains, one.what, "" if one.until is None else moment(one.until))
        console.print(remains)
