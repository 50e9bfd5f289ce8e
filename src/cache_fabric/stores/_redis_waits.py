"""Waiting for the change log to grow, by a blocking read of it from a revision on.

The server checks and subscribes in one step, so there is no moment in which a commit could be
missed, and after a broken connection the same read simply starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cache_fabric.errors import BackendTimeout, BackendUnavailable
from cache_fabric.stores._redis_links import Link, pause

__all__ = ["Waits"]


class Waits:
    """The waits of one store, which end with it.

    Args:
        log: The Redis key of the change log.
        longest_block: Seconds that one blocking command may take.
        closed: Makes the error of a wait that `close` ended.
    """

    def __init__(
        self, log: bytes, longest_block: float, closed: Callable[[str], BackendUnavailable]
    ) -> None:
        self._log = log
        self._longest_block = longest_block
        self._closed = closed
        self._is_closed = False
        self._waiting: set[asyncio.Timeout] = set()

    async def wait(self, link: Link, after: int, timeout: float) -> bool:
        """As `Store.wait`; raises `BackendUnavailable` if the server is gone at the end."""
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout(None) as until_closed:
                self._waiting.add(until_closed)
                try:
                    return await self._appended(link, after, deadline)
                finally:
                    self._waiting.discard(until_closed)
        except TimeoutError as error:
            if self._is_closed:
                raise self._closed("wait") from error
            raise

    def close(self) -> None:
        """End them all."""
        self._is_closed = True
        for until_closed in self._waiting:
            until_closed.reschedule(0)

    async def _appended(self, link: Link, after: int, deadline: float) -> bool:
        now = asyncio.get_running_loop().time
        failures = 0
        while True:
            remaining = deadline - now()
            try:
                if await self._read(link, after, min(remaining, self._longest_block)):
                    return True
                failures = 0
            except (BackendUnavailable, BackendTimeout):
                remaining = deadline - now()
                if remaining <= 0:
                    raise
                failures += 1
                await pause(failures, remaining)
            else:
                if now() >= deadline:
                    return False

    async def _read(self, link: Link, after: int, seconds: float) -> bool:
        # BLOCK 0 would be for ever. One item is enough to know that there is one.
        block = ["BLOCK", max(1, round(seconds * 1000))] if seconds > 0 else []
        command = ["XREAD", "COUNT", 1, *block, "STREAMS", self._log, f"{max(after, 0)}-0"]
        return bool(await link.call("wait", lambda client: client.execute_command(*command)))
