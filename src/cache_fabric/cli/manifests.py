"""``cache-fabric compile``: publish what a manifest says, or show what that would change."""

from __future__ import annotations

import asyncio
import json as json_module
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from cache_fabric.cli._context_options import Author, Message, opened_fabric
from cache_fabric.cli._fabric import FabricOption, JsonOption, print_json
from cache_fabric.cli._plan_view import plain_compilation, show_compilation
from cache_fabric.cli._progress import progress_bar
from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.nexus.compile import compile_manifest_sync
from cache_fabric.nexus.lock_file import lock_path
from cache_fabric.nexus.watching import watch_manifest

__all__ = ["compile_to_fabric"]

_CHANGES = 2
_INTERRUPTED = 130

Place = Annotated[Path, typer.Argument(help="A manifest, or a folder.", show_default=False)]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Only show what would change, and what that costs.")
]
Label = Annotated[str | None, typer.Option(help="Point this label at it, as production.")]
Format = Annotated[str | None, typer.Option(help="Of the manifest; else told by its content.")]
Name = Annotated[
    str | None, typer.Option(help="What it is called, where two of a format have one name.")
]
Lock = Annotated[bool, typer.Option("--lock", help="Keep versions and hashes in PATH.lock.")]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune", help="Delete what the manifest of this name published and has no more."
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Compile again at every change, until Ctrl-C.")
]
ExitCode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="With --plan: end with 2 for changes.")
]


def compile_to_fabric(
    path: Place,
    plan: PlanOnly = False,
    label: Label = None,
    format: Format = None,
    name: Name = None,
    lock: Lock = False,
    prune: Prune = False,
    watch: Watch = False,
    detailed_exitcode: ExitCode = False,
    message: Message = None,
    author: Author = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Publish what a manifest says as one bundle; nothing where nothing has changed."""
    if detailed_exitcode and (watch or not plan):
        hint = "'--detailed-exitcode'"
        raise typer.BadParameter("goes with --plan, and not with --watch", param_hint=hint)
    options: dict[str, Any] = {
        "plan": plan,
        "label": label,
        "format": format,
        "name": name,
        "lock": lock_path(path) if lock else None,
        "prune": prune,
        "message": message,
        "author": author,
    }
    with opened_fabric(fabric) as opened:
        if watch:
            _follow(path, opened, options, as_json=json)
            return
        with progress_bar("answers", shown=plan and not json) as told:
            done = compile_manifest_sync(path, opened, progress=told, **options)
    if json:
        print_json(plain_compilation(done))
    else:
        show_compilation(done, planned=plan)
    if detailed_exitcode and not done.plan.is_empty:
        raise typer.Exit(_CHANGES)


def _follow(path: Path, fabric: CacheFabric, options: dict[str, Any], *, as_json: bool) -> None:
    try:
        asyncio.run(_print_each(path, fabric, options, as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(_INTERRUPTED) from None


async def _print_each(
    path: Path, fabric: CacheFabric, options: dict[str, Any], *, as_json: bool
) -> None:
    """Print what each compilation came to: as a plan, as one line of JSON, as an error."""
    # The first process of a container is ended only by what it listens to, and Ctrl-C never comes.
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(task.cancel))
    async with aclosing(watch_manifest(path, fabric, **options)) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, CacheFabricError):
                typer.secho(f"cache-fabric: {outcome}", err=True, fg=typer.colors.RED)
            elif as_json:
                typer.echo(json_module.dumps(plain_compilation(outcome)))
            else:
                show_compilation(outcome, planned=options["plan"])
