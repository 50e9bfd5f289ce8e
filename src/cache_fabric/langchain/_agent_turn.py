"""A call of an agent's model or tool, around the handler that LangChain hands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langgraph.errors import GraphBubbleUp

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._seam import Seam
from cache_fabric.provenance import provenance
from cache_fabric.turn import Turn
from cache_fabric.types import Answer, CacheEntry, CacheRequest, Hit, Usage

__all__ = ["AgentTurn"]

R = TypeVar("R")


class AgentTurn(Turn[R]):
    """A `Turn` from beginning to end.

    Args:
        fabric, seam, make: As a `Turn` has them.
        read: Makes the agent's result of a kept payload and the mark of a hit; may raise.
        write: Makes an answer of the agent's result; may raise.
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
        super().__init__(fabric, seam, make=make, read=self._marked)
        self._mark: dict[str, Any] | None = None
        self._read_payload = read
        self._write = write

    def through(self, call: Callable[[], R]) -> R:
        """Return the kept result; or call, and keep what that gives."""
        served = self.lookup()
        if served is not None:
            return served
        try:
            result = call()
        except BaseException as error:
            served = self._given_up(error)
            if served is None:
                raise
            return served
        self.keep(lambda: self._write(result))
        return result

    async def athrough(self, call: Callable[[], Awaitable[R]]) -> R:
        """As `through`, without blocking the running loop."""
        served = await self.alookup()
        if served is not None:
            return served
        try:
            result = await call()
        except BaseException as error:
            served = self._given_up(error)
            if served is None:
                raise
            return served
        self.keep(lambda: self._write(result))
        return result

    def said_of_hit(self, **about: Any) -> dict[str, Any] | None:
        """Return what there is to say of the hit, ``None`` if there was none."""
        if self._mark is None or not isinstance(self.result, Hit):
            return None
        whose = {"tenant": self.result.entry.tenant, "user": self.result.entry.user}
        return {**about, **whose, **self._mark, "hit": provenance(self.result)}

    def _marked(self, entry: CacheEntry, mark: dict[str, Any]) -> R:
        result = self._read_payload(entry.payload, mark)
        self._mark = mark
        return result

    def _given_up(self, error: BaseException) -> R | None:
        # LangGraph pauses and jumps by raising; nothing has failed then.
        return self.fail(error, begun=isinstance(error, GraphBubbleUp))
