"""Which fabric a command works on, and how its result is printed."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer

from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.factory import PRESETS, resolve_fabric_from_env

__all__ = ["FabricOption", "JsonOption", "fail", "named_fabric", "open_fabric", "print_json"]

FabricOption = Annotated[
    str | None,
    typer.Option(
        "--fabric",
        help="A preset (local, redis), a folder, a Redis URL or the http URL of a server; "
        "else the environment, else ./.cache_fabric.",
        show_default=False,
    ),
]
_PLACES = ("CACHE_BACKEND", "CACHE_FABRIC_PATH", "CACHE_FABRIC_STORE", "CACHE_FABRIC_INDEX")
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def open_fabric(where: str | None) -> CacheFabric:
    """Return the opened fabric that an option or the environment names, or end with the reason."""
    try:
        fabric = named_fabric(where)
        fabric.sync.open()
    except CacheFabricError as error:
        fail(str(error))
    return fabric


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print one JSON document on standard output; without indent on one line."""
    typer.echo(json.dumps(value, indent=indent, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    """Return what JSON cannot say: records as objects, times as ISO 8601, the rest as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def fail(message: str) -> NoReturn:
    """Print what is wrong on standard error and end with exit code 1."""
    typer.secho(f"cache-fabric: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


def named_fabric(where: str | None, *, index: str | None = None) -> CacheFabric:
    """Return the fabric that an option or the environment names, with another index if given."""
    given = {} if index is None else {"CACHE_FABRIC_INDEX": index}
    return resolve_fabric_from_env({**_environment(where), **given})


def _environment(where: str | None) -> dict[str, str]:
    """Return the environment; an option stands in for all in it that says where the fabric is."""
    if where is None:
        return dict(os.environ)
    rest = {name: value for name, value in os.environ.items() if name not in _PLACES}
    if where in PRESETS:
        return {**rest, "CACHE_BACKEND": where}
    if where.startswith(("http://", "https://")):
        return {**rest, "CACHE_BACKEND": "http", "CACHE_FABRIC_URL": where}
    if "://" in where:
        return {**rest, "CACHE_BACKEND": "redis", "REDIS_URL": where}
    return {**rest, "CACHE_BACKEND": "local", "CACHE_FABRIC_PATH": where}
