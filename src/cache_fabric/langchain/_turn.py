"""One call of an agent's model or tool: what the fabric is asked before it, and told after it.

Only the lookup has two colours: the rest a fabric does without waiting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from langgraph.errors import GraphBubbleUp

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._seam import FailOpen, Seam, mark_of
from cache_fabric.types import Answer, CacheRequest, Hit, LookupResult, Miss, Ticket, Usage

__all__ = ["Turn"]

R = TypeVar("R")


class Turn(Generic[R]):
    """Looks up, then keeps or gives back; no method fails for a fault of ours.

    Args:
        fabric: Asked and told.
        seam: Reports what goes wrong.
        make: Makes the request; may raise.
        read: Makes the host's result of a kept payload and the mark of a hit; may raise.
        write: Makes an answer of the host's result; may raise.

    Attributes:
        result: What the lookup came to, ``None`` before it and where it was not possible.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        seam: Seam,
        *,
        make: Callable[[], CacheRequest],
        read: Callable[[Any, dict[str, Any]], R],
        write: Callable[[R], tuple[Answer, Usage | None]],
    ) -> None:
        self.result: LookupResult | None = None
        self._mark: dict[str, Any] | None = None
        self._fabric = fabric
        self._seam = seam
        self._make = make
        self._read = read
        self._write = write
        self._request: CacheRequest | None = None
        self._open: Ticket | CacheRequest | None = None

    @property
    def model(self) -> str:
        """Name of the model, or of what stands for it."""
        return "unknown" if self._request is None else self._request.model

    def through(self, call: Callable[[], R]) -> R:
        """Return the kept result; or call, and keep what that gives."""
        served = self._looked_up()
        if served is not None:
            return served
        try:
            result = call()
        except BaseException as error:
            served = self._failed(error)
            if served is None:
                raise
            return served
        self._keep(result)
        return result

    async def athrough(self, call: Callable[[], Awaitable[R]]) -> R:
        """As `through`, without blocking the running loop."""
        served = await self._alooked_up()
        if served is not None:
            return served
        try:
            result = await call()
        except BaseException as error:
            served = self._failed(error)
            if served is None:
                raise
            return served
        self._keep(result)
        return result

    def said_of_hit(self, **about: Any) -> dict[str, Any] | None:
        """Return what there is to say of the hit, ``None`` if there was none."""
        return None if self._mark is None else {**about, **self._mark}

    def _looked_up(self) -> R | None:
        with self._harmless():
            self._request = self._make()
            self.result = self._fabric.sync.lookup(self._request)
            return self._served(self.result)
        return None

    async def _alooked_up(self) -> R | None:
        with self._harmless():
            self._request = self._make()
            self.result = await self._fabric.lookup(self._request)
            return self._served(self.result)
        return None

    def _keep(self, result: R) -> None:
        target, self._open = self._open, None
        if target is None:
            return
        with self._harmless(counts_bypass=False):
            answer, usage = self._write(result)
            self._fabric.sync.store(target, answer, usage=usage)
            return
        self._give_back(target)

    def _failed(self, error: BaseException) -> R | None:
        """Give the call up; returns the expired result that may stand in for a failed one."""
        target, self._open = self._open, None
        if not isinstance(error, Exception) or isinstance(error, GraphBubbleUp):
            self._give_back(target)
        elif isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                return self._served(self._fabric.sync.stale(target))
        return None

    def _give_back(self, target: Ticket | CacheRequest | None) -> None:
        if isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                self._fabric.sync.release(target)

    def _served(self, result: LookupResult | None) -> R | None:
        if isinstance(result, Miss):
            self._open = result.ticket
        if not isinstance(result, Hit):
            return None
        self._open = self._request  # should it be unreadable, what is called now takes its place
        mark = mark_of(result)
        served = self._read(result.entry.payload, mark)
        self._open, self._mark = None, mark
        return served

    def _harmless(self, *, counts_bypass: bool = True) -> FailOpen:
        return self._seam.harmless(lambda: self.model, counts_bypass=counts_bypass)
