"""``cache-fabric bench fow``: the public pairs of the ``fow-cache`` package."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from cache_fabric.cli._fabric import JsonOption, fail, print_json
from cache_fabric.cli._quality_table import show_fow
from cache_fabric.errors import CacheFabricError

__all__ = ["fow"]


def fow(
    max_wrong: Annotated[
        float, typer.Option(help="Share of the traps that may be served; above it, exit code 1.")
    ] = 0.05,
    json: JsonOption = False,
) -> None:
    """Count which of an outsider's 600 question pairs are served, as the package counts them."""
    from cache_fabric.bench.quality.fow import run_fow

    try:
        results = run_fow(max_wrong)
    except CacheFabricError as error:
        fail(str(error))
    if json:
        print_json([asdict(result) for result in results])
    else:
        show_fow(results, Console())
    if any(result.wrong_rate > max_wrong for result in results):
        raise typer.Exit(1)
