"""``cache-fabric serve``: the HTTP API of a fabric."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
from typing import Annotated

import typer

from cache_fabric.cli._fabric import FabricOption, fail, open_fabric
from cache_fabric.errors import MissingExtraError

__all__ = ["serve"]

_TOKEN = "CACHE_FABRIC_API_TOKEN"  # noqa: S105 - the name of a variable
_FAREWELL = 5  # seconds that open streams may take to end


def serve(
    fabric: FabricOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8090,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name that callers use, beside localhost and addresses; repeatable."),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="One feedback may act alone: callers vouch for it.")
    ] = False,
) -> None:
    """Serve the dashboard, and the HTTP API under /v1 for agents in any language and for fabrics of
    other processes.

    CACHE_FABRIC_API_TOKEN is what callers must carry; on loopback one is made and printed where it
    is not set.
    """
    token = os.environ.get(_TOKEN)
    if not token and not _is_loopback(host):
        fail(f"{host} can be reached from outside: set {_TOKEN}, or listen on 127.0.0.1")
    try:
        from cache_fabric.cli._listening import Listening
        from cache_fabric.web.app import create_app
    except ModuleNotFoundError:
        fail(str(MissingExtraError("ui", "cache-fabric serve")))
    made = None if token else secrets.token_urlsafe(24)
    opened = open_fabric(fabric)
    with opened.sync:
        app = create_app(opened, token=token or made, trusted=trusted, hosts=name or (), page=True)

        def tell(bound: int) -> None:
            if made is not None:
                typer.echo(f"{_TOKEN}={made}")
            behind = f"${{{_TOKEN}}}" if made is None else made
            typer.echo(f"dashboard: http://{_shown(host)}:{bound}/#token={behind}")

        with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
            Listening(app, host, port, tell, _FAREWELL).run()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
