"""The demo behind its page: fabric, stage and server in one process, agents beside it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cache_fabric.cli._listening import Listening
from cache_fabric.config import FabricConfig
from cache_fabric.demo.agents import Agents
from cache_fabric.demo.operations import demo_operations
from cache_fabric.demo.stage import Stage
from cache_fabric.demo.switched import switched
from cache_fabric.demo.traffic import load_demo
from cache_fabric.factory import create_cache_fabric
from cache_fabric.replay import Model
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.web.app import create_app

__all__ = ["serve_demo"]

_FAREWELL = 2  # seconds that open streams may take to end


def serve_demo(
    path: Path,
    model: Model,
    about: dict[str, Any],
    priced_as: str,
    *,
    port: int,
    fresh: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve the page on loopback until it is interrupted; its address is told.

    Args:
        path: Folder that keeps the answers.
        model: Answers on a miss.
        about: What the page says of it.
        priced_as: The model's name, for calls and prices.
        port: To listen on; 0 for one that is free.
        fresh: Whether earlier answers are forgotten first.
        tell: Is given the address, with the token behind its ``#``.
    """
    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        asyncio.run(_serve(path, model, about, priced_as, port, fresh, tell))


async def _serve(
    path: Path,
    model: Model,
    about: dict[str, Any],
    priced_as: str,
    port: int,
    fresh: bool,
    tell: Callable[[str], None],
) -> None:
    file = path / "fabric.db"
    config = FabricConfig(agent="dashboard")
    store, switch = switched(SqliteStore(file, config.namespace))
    fabric = create_cache_fabric("local", path=path, store=store, config=config)
    stage = Stage(
        fabric, switch, load_demo(), model, about, priced_as, Agents(file, config.namespace)
    )
    token = secrets.token_urlsafe(24)
    app = create_app(
        fabric,
        token=token,
        trusted=True,  # whoever has the token is the one who sits at the page
        content=True,
        page=True,
        operations=demo_operations(stage),
    )
    stage.tell = app.state.hub.tell
    server = Listening(
        app,
        "127.0.0.1",
        port,
        lambda bound: tell(f"http://127.0.0.1:{bound}/#token={token}"),
        _FAREWELL,
    )
    try:
        await fabric.open()
        if fresh:
            await fabric.clear()
        await stage.open()
        await server.serve()
    finally:
        switch.on = True  # what waits is written
        await stage.close()
        await fabric.aclose()
        await store.aclose()
