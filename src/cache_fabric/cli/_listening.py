"""A uvicorn server that tells where it listens, once it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn

__all__ = ["Listening"]


class Listening(uvicorn.Server):
    """Serves an ASGI application.

    Args:
        app: That is served.
        host, port: To listen on; port 0 for one that is free.
        bound: Is given the port.
        farewell: Seconds that open streams may take to end.
    """

    def __init__(
        self, app: Any, host: str, port: int, bound: Callable[[int], None], farewell: int
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,  # an address may hold what belongs in no log
                timeout_graceful_shutdown=farewell,
            )
        )
        self._bound = bound

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._bound(self.servers[0].sockets[0].getsockname()[1])
