"""A part that may fail: opened at first use, held to a budget, left alone while it is broken.

This is the first of the two places that fail open: on the request path every fault of a backend
comes out of `Part.attempt` as `Degraded`, which the engine counts as a miss. Explicit calls go
through `Part.demand` and get the fault itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cache_fabric.background import in_background
from cache_fabric.breaker import Breaker
from cache_fabric.errors import BackendTimeout, CacheFabricError

__all__ = ["Degraded", "Part", "is_away"]

T = TypeVar("T")
_log = logging.getLogger("cache_fabric")


class Degraded(Exception):
    """A part did not do its work in time; the request goes on without it."""

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(f"{part}: {reason}")


def is_away(error: BaseException | None) -> bool:
    """Return whether a backend was not reached, so that the same call may do its work later."""
    if isinstance(error, Degraded):
        return error.__cause__ is None or is_away(error.__cause__)
    return isinstance(error, ConnectionError | TimeoutError)


class Part:
    """One backend behind its breaker.

    Args:
        name: ``"store"``, ``"lease"``, ``"index"`` or ``"embedder"``, as events name it.
        opener: Opens the backend; called again after it failed.
        open_timeout: Seconds a first use may wait for it.
    """

    def __init__(
        self, name: str, opener: Callable[[], Awaitable[None]], *, open_timeout: float
    ) -> None:
        self.name = name
        self.breaker = Breaker()
        self._opener = opener
        self._open_timeout = open_timeout
        self._opening: asyncio.Task[None] | None = None
        self._opened = False
        self._open_deadline = math.inf  # until the first opening begins
        self._last_warning = ""

    @property
    def is_open(self) -> bool:
        """True once the backend has been opened."""
        return self._opened

    async def open(self) -> None:
        """Open the backend once; raises what it raises, or `BackendTimeout`."""
        await self._opened_within(self._open_timeout)

    async def _opened_within(self, seconds: float) -> None:
        if self._opened:
            return
        if self._opening is None:
            self._opening = in_background(self._run_open())
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            if math.isinf(self._open_deadline):
                self._open_deadline = time.monotonic() + self._open_timeout
        opening = self._opening
        if not opening.done():
            await asyncio.wait([opening], timeout=min(seconds, self._open_timeout))
        if not opening.done():
            raise BackendTimeout(self.name, "open", f"not open after {self._open_timeout:g} s")
        if opening.cancelled() or opening.exception() is not None:
            self._opening = None
        opening.result()

    async def attempt(
        self, call: Callable[[], Awaitable[T]], seconds: float, *, insist: bool = False
    ) -> T:
        """Return the result of the call within its budget, or raise `Degraded`.

        The first calls may also wait for the backend to open; while it goes on not opening, later
        ones wait for their budget and no longer. Who insists asks it even if it failed just now.
        """
        if not self.breaker.allow() and not insist:
            raise Degraded(self.name, "left alone after failures")
        try:
            if not self._opened:
                await self._opened_within(max(seconds, self._open_deadline - time.monotonic()))
            async with asyncio.timeout(seconds):
                result = await call()
        except Exception as error:
            self.breaker.failed()
            self._warn(error)
            raise Degraded(self.name, _reason(error)) from error
        self.breaker.succeeded()
        return result

    async def demand(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of an explicit call; its errors are the caller's."""
        await self.open()
        return await call()

    async def _run_open(self) -> None:
        await self._opener()
        self._opened = True

    def _warn(self, error: Exception) -> None:
        message = str(error) if isinstance(error, CacheFabricError) else _reason(error)
        if message != self._last_warning:
            self._last_warning = message
            _log.warning("model calls go on without the %s: %s", self.name, message)


def _reason(error: Exception) -> str:
    return "over its time" if isinstance(error, TimeoutError) else type(error).__name__
