"""``cache-fabric executions``: find, show and follow runs; take them to files and back."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from cache_fabric.cli._execution_options import (
    Cursor,
    ExecutionId,
    Limit,
    opened_executions,
    with_filters,
)
from cache_fabric.cli._execution_views import follow, plain, show_execution, show_executions
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.cli._progress import progress_bar
from cache_fabric.line_files import Place
from cache_fabric.records import Execution, Page

__all__ = ["app"]

app = typer.Typer(help="Find, show and follow executions.", no_args_is_help=True)

_INTERRUPTED = 130
File = Annotated[str, typer.Argument(metavar="FILE", help="A path; - for the standard stream.")]


@app.command()
@with_filters
def ls(
    limit: Limit = 50,
    cursor: Cursor = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
    *,
    filters: dict[str, Any],
) -> None:
    """List the newest executions that match everything asked for."""
    with opened_executions(fabric) as opened:
        page = opened.sync.search_executions(limit=limit, cursor=cursor, **filters)
    _print_page(page, as_json=json)


@app.command()
@with_filters
def search(
    text: Annotated[
        str | None, typer.Argument(help="Words that all occur.", show_default=False)
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="What was asked, by meaning; the nearest come first.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
    *,
    filters: dict[str, Any],
) -> None:
    """Find executions by words, by meaning, or both."""
    with opened_executions(fabric, by_meaning=like is not None) as opened:
        page = opened.sync.search_executions(text, like=like, limit=limit, cursor=cursor, **filters)
    _print_page(page, as_json=json)


@app.command()
def show(execution_id: ExecutionId, fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Show one execution with its steps and its feedback."""
    with opened_executions(fabric) as opened:
        execution = opened.sync.get_execution(execution_id)
    if execution is None:
        fail(f"no execution {execution_id!r}")
    if json:
        print_json(plain(execution))
    else:
        show_execution(execution)


@app.command()
@with_filters
def tail(
    last: Annotated[int, typer.Option(min=0, help="Begin with so many that are there.")] = 10,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
    *,
    filters: dict[str, Any],
) -> None:
    """Print executions as they come, one a line, until Ctrl-C; with --json as JSON lines."""
    try:
        with opened_executions(fabric) as opened:
            # asyncio turns Ctrl-C into a cancellation; raised in the blocking view, it could hit
            # a lock that the home loop's thread waits for.
            asyncio.run(follow(opened, filters, last, count, as_json=json))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


@app.command()
@with_filters
def export(file: File, fabric: FabricOption = None, *, filters: dict[str, Any]) -> None:
    """Write executions with their feedback to FILE, as JSON lines."""
    place: Place = sys.stdout if file == "-" else file
    with opened_executions(fabric) as opened, progress_bar("executions") as told:
        count = opened.sync.export_executions(place, progress=told, **filters)
    typer.echo(f"{count:,} executions written", err=True)


@app.command("import")
def import_file(file: File, fabric: FabricOption = None) -> None:
    """Keep the executions of FILE, in place of those of the same ids."""
    place: Place = sys.stdin if file == "-" else file
    with opened_executions(fabric, by_meaning=True) as opened, progress_bar("executions") as told:
        count = opened.sync.import_executions(place, progress=told)
    typer.echo(f"{count:,} executions kept", err=True)


def _print_page(page: Page[Execution], *, as_json: bool) -> None:
    if as_json:
        print_json([plain(execution) for execution in page])
    elif page:
        show_executions(page)
    else:
        typer.echo("No executions.", err=True)
    if page.cursor is not None:
        typer.echo(f"There may be more: --cursor {page.cursor}", err=True)
