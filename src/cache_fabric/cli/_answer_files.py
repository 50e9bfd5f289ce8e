"""``cache-fabric answers export`` and ``import``: answers in a file of JSON lines, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from cache_fabric.cli._context_options import opened_contexts
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, named_fabric, print_json
from cache_fabric.cli._progress import progress_bar
from cache_fabric.errors import CacheFabricError
from cache_fabric.line_files import Place

__all__ = ["export_answers", "import_answers"]

T = TypeVar("T")
_STREAM = "-"
Into = Annotated[str, typer.Argument(metavar="PATH", help="A file, or - for standard output.")]
From = Annotated[str, typer.Argument(metavar="PATH", help="A file, or - for standard input.")]


def export_answers(
    path: Into,
    context: Annotated[str | None, typer.Option(help="Given under this context.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    user: Annotated[str | None, typer.Option(help="Of this user.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model.")] = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Write answers to a file, loss-free, for a fabric of the same namespace and secret.

    Pinned and quarantined ones are not among them.
    """
    place: Place = sys.stdout.buffer if path == _STREAM else Path(path)
    with opened_contexts(fabric) as opened, progress_bar("answers", shown=not json) as told:
        count = _done(
            lambda: opened.export_answers(
                place,
                context=context,
                tenant=tenant,
                user=user,
                tag=tag,
                model=model,
                progress=told,
            )
        )
    _report("written", count, as_json=json and path != _STREAM)


def import_answers(path: From, fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Keep the answers of such a file that are not older than what is kept."""
    place: Place = sys.stdin.buffer if path == _STREAM else Path(path)
    try:
        opened = named_fabric(fabric)  # with its own index: they are to be found by meaning
        try:
            with progress_bar("answers", shown=not json) as told:
                count = _done(lambda: opened.sync.import_answers(place, progress=told))
        finally:
            opened.sync.close()
    except CacheFabricError as error:
        fail(str(error))
    _report("kept", count, as_json=json)


def _done(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        if isinstance(error, CacheFabricError):
            raise
        fail(f"{error.filename}: {error.strerror}")


def _report(what: str, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"count": count})
    else:
        typer.echo(f"{count:,} {'answer' if count == 1 else 'answers'} {what}", err=True)
