"""``cache-fabric serve``: the HTTP API of a fabric."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated

import typer

from cache_fabric.cli._fabric import FabricOption, fail, open_fabric
from cache_fabric.errors import MissingExtraError

__all__ = ["serve"]

_TOKEN = "CACHE_FABRIC_API_TOKEN"  # noqa: S105 - the name of a variable


def serve(
    fabric: FabricOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8090,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="One feedback may act alone: callers vouch for it.")
    ] = False,
) -> None:
    """Serve the HTTP API, and /metrics. CACHE_FABRIC_API_TOKEN is what callers must carry."""
    token = os.environ.get(_TOKEN)
    if not token and not _is_loopback(host):
        fail(f"{host} can be reached from outside: set {_TOKEN}, or listen on 127.0.0.1")
    try:
        import uvicorn

        from cache_fabric.web.app import create_app
    except ModuleNotFoundError:
        fail(str(MissingExtraError("ui", "cache-fabric serve")))
    opened = open_fabric(fabric)
    with opened.sync:
        app = create_app(opened, token=token or None, trusted=trusted)
        uvicorn.run(app, host=host, port=port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
