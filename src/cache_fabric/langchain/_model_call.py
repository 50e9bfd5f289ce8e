"""One call of a wrapped model: what the fabric is asked before it, and told after it.

Only `lookup` has two colours: everything else a fabric does for a call, it does without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._answer import read_generations, to_answer
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.langchain._seam import FailOpen, Seam, mark_of
from cache_fabric.types import Answer, CacheRequest, Hit, LookupResult, Miss, Ticket

__all__ = ["ModelCall", "Served"]


@dataclass(frozen=True, slots=True)
class Served:
    """A kept answer in LangChain's words; ``latency`` is what the model took for it, in seconds."""

    generations: list[ChatGeneration]
    latency: float | None


class ModelCall:
    """Looks up, then keeps or gives back; no method fails for a fault of ours.

    Args:
        fabric: Asked and told.
        seam: Reports what goes wrong.
        request: Makes the request; may raise.
    """

    def __init__(
        self, fabric: CacheFabric, seam: Seam, request: Callable[[], CacheRequest]
    ) -> None:
        self._fabric = fabric
        self._seam = seam
        self._make = request
        self._request: CacheRequest | None = None
        self._open: Ticket | CacheRequest | None = None

    def lookup(self) -> Served | None:
        """Return the kept answer, or ``None``: then the model is called."""
        with self._harmless():
            self._request = self._make()
            return self._served(self._fabric.sync.lookup(self._request))
        return None

    async def alookup(self) -> Served | None:
        """As `lookup`, without blocking the running loop."""
        with self._harmless():
            self._request = self._make()
            return self._served(await self._fabric.lookup(self._request))
        return None

    def keep(self, generations: Callable[[], Sequence[ChatGeneration]]) -> None:
        """Keep what the model said, if it is fit for that; ``generations`` may raise."""
        target, self._open = self._open, None
        if target is None:
            return
        with self._harmless(counts_bypass=False):
            try:
                made = generations()
                answer, usage = to_answer(made, "chat"), usage_of(made)
            except NotCacheable as error:
                answer, usage = Answer(payload=None, error=error.reason), None
            self._fabric.sync.store(target, answer, usage=usage)
            return
        self._give_back(target)

    def fail(self, error: BaseException, *, begun: bool = False) -> Served | None:
        """Give the call up; returns the expired answer that may stand in for a failed one.

        Args:
            error: Of the call.
            begun: Whether the caller has had a part of the answer, so that nothing can stand in.
        """
        target, self._open = self._open, None
        if not isinstance(target, Ticket):
            return None
        if begun or not isinstance(error, Exception):
            self._give_back(target)
            return None
        with self._harmless(counts_bypass=False):
            return self._served(self._fabric.sync.stale(target))
        return None

    def _give_back(self, target: Ticket | CacheRequest) -> None:
        if isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                self._fabric.sync.release(target)

    def _served(self, result: LookupResult | None) -> Served | None:
        if isinstance(result, Miss):
            self._open = result.ticket
        if not isinstance(result, Hit):
            return None
        entry = result.entry
        try:
            generations = read_generations(entry.payload, "chat", mark_of(result))
        except CodecError:
            self._open = self._request  # what the model says now takes its place
            raise
        chats = [g for g in generations if isinstance(g, ChatGeneration)]
        return Served([_free(chat) for chat in chats], entry.latency)

    def _harmless(self, *, counts_bypass: bool = True) -> FailOpen:
        return self._seam.harmless(self._model, counts_bypass=counts_bypass)

    def _model(self) -> str:
        return "unknown" if self._request is None else self._request.model


def _free(generation: ChatGeneration) -> ChatGeneration:
    """Say that a hit costs nothing, as LangChain says it of its own cache's hits."""
    message = generation.message
    if isinstance(message, AIMessage):
        usage = {**(message.usage_metadata or {}), "total_cost": 0}
        generation.message = message.model_copy(update={"usage_metadata": usage})
    return generation
