"""A real HTTP server in a thread, for tests that need connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from servers import eventually

__all__ = ["Mounts", "serving"]


class Mounts:
    """Several applications of one server, each below a path of its own."""

    def __init__(self) -> None:
        self._apps: dict[bytes, Any] = {}

    def add(self, name: str, app: Any) -> None:
        self._apps[name.encode()] = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _, name, rest = scope["raw_path"].split(b"/", 2)
        raw = b"/" + rest
        inner = {**scope, "raw_path": raw, "path": raw.decode()}
        await self._apps[name](inner, receive, send)


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """Serve until the end of the block, which gets the address."""
    config = uvicorn.Config(
        app, port=port, lifespan="off", log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(_run(server)), daemon=True)
    thread.start()
    eventually(lambda: server.started, "the server to start")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


async def _run(server: uvicorn.Server) -> None:
    """Serve, and leave no connection open that a stream still had."""
    await server.serve()
    for connection in list(server.server_state.connections):
        transport: Any = connection.transport
        if transport is not None:
            transport.abort()
    for _ in range(3):  # until the loop has told them
        await asyncio.sleep(0)
