"""Which fabric a command works on, and how its result is printed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.factory import PRESETS, create_cache_fabric, resolve_fabric_from_env

__all__ = ["FabricOption", "JsonOption", "fail", "named_fabric", "open_fabric", "print_json"]

FabricOption = Annotated[
    str | None,
    typer.Option(
        "--fabric",
        help="A preset (memory, local) or a folder; else the environment, else ./.cache_fabric.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def open_fabric(where: str | None) -> CacheFabric:
    """Return the opened fabric that an option or the environment names, or end with the reason."""
    try:
        fabric = named_fabric(where)
        fabric.sync.open()
    except CacheFabricError as error:
        fail(str(error))
    return fabric


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def fail(message: str) -> NoReturn:
    """Print what is wrong on standard error and end with exit code 1."""
    typer.secho(f"cache-fabric: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


def named_fabric(where: str | None, *, index: str | None = None) -> CacheFabric:
    """Return the fabric that an option or the environment names, with another index if given."""
    if where is None:
        given = {} if index is None else {"CACHE_FABRIC_INDEX": index}
        return resolve_fabric_from_env({**os.environ, **given})
    if where in PRESETS:
        return create_cache_fabric(where, index=index)
    return create_cache_fabric("local", path=Path(where), index=index)
