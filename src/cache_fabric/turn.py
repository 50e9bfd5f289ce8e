"""One call of a model or a tool: what the fabric is asked before it, and told after it.

Only the lookup has two colours: everything else a fabric does for a call, it does without waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cache_fabric.fabric import CacheFabric
from cache_fabric.seam import FailOpen, Seam, mark_of
from cache_fabric.types import (
    Answer,
    CacheEntry,
    CacheRequest,
    Hit,
    LookupResult,
    Miss,
    Ticket,
    Usage,
)

__all__ = ["Turn"]

R = TypeVar("R")


class Turn(Generic[R]):
    """Looks up, then keeps or gives back; no method fails for a fault of ours.

    Args:
        fabric: Asked and told.
        seam: Reports what goes wrong.
        make: Makes the request; may raise.
        read: Makes the host's result of a kept entry and the mark of a hit; may raise.

    Attributes:
        result: What the lookup came to, ``None`` before it and where it was not possible.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        seam: Seam,
        *,
        make: Callable[[], CacheRequest],
        read: Callable[[CacheEntry, dict[str, Any]], R],
    ) -> None:
        self.result: LookupResult | None = None
        self._fabric = fabric
        self._seam = seam
        self._make = make
        self._read = read
        self._request: CacheRequest | None = None
        self._open: Ticket | CacheRequest | None = None

    @property
    def model(self) -> str:
        """Name of the model, or of what stands for it."""
        return "unknown" if self._request is None else self._request.model

    def lookup(self) -> R | None:
        """Return the kept result, or ``None``: then the model is called."""
        with self._harmless():
            target = self._asked()
            return None if target is None else self._served(self._fabric.sync.lookup(target))
        return None

    async def alookup(self) -> R | None:
        """As `lookup`, without blocking the running loop."""
        with self._harmless():
            target = self._asked()
            return None if target is None else self._served(await self._fabric.lookup(target))
        return None

    def keep(self, write: Callable[[], tuple[Answer, Usage | None]]) -> None:
        """Keep what was said, if it is fit for that.

        Args:
            write: Makes an answer of it; may raise.
        """
        target, self._open = self._open, None
        if target is None:
            return
        with self._harmless(counts_bypass=False):
            answer, usage = write()
            self._fabric.sync.store(target, answer, usage=usage)
            return
        self._give_back(target)

    def fail(self, error: BaseException, *, begun: bool = False) -> R | None:
        """Give the call up; returns the expired result that may stand in for a failed one.

        Args:
            error: Of the call.
            begun: Whether nothing can stand in: the caller has had a part of the answer, say.
        """
        target, self._open = self._open, None
        if begun or not isinstance(error, Exception):
            self._give_back(target)
        elif isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                return self._served(self._fabric.sync.stale(target))
        return None

    def leave(self) -> None:
        """Give the call up; there is nothing to stand in for it."""
        target, self._open = self._open, None
        self._give_back(target)

    def _asked(self) -> Ticket | CacheRequest | None:
        """Return what to look up, ``None`` for nothing."""
        return self._made()

    def _made(self) -> CacheRequest | None:
        self._request = self._make()
        return self._request

    def _served(self, result: LookupResult | None) -> R | None:
        self.result = result
        if isinstance(result, Miss):
            self._open = result.ticket
        if not isinstance(result, Hit):
            return None
        self._open = self._request  # should it be unreadable, what is called now takes its place
        with self._seam.reading(result):
            served = self._read(result.entry, mark_of(result))
        self._open = None
        return served

    def _give_back(self, target: Ticket | CacheRequest | None) -> None:
        if isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                self._fabric.sync.release(target)

    def _harmless(self, *, counts_bypass: bool = True) -> FailOpen:
        return self._seam.harmless(lambda: self.model, counts_bypass=counts_bypass)
