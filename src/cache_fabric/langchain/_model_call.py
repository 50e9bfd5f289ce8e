"""One call of a wrapped model: what the fabric is asked before it, and told after it.

Only `lookup` has two colours: everything else a fabric does for a call, it does without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from cache_fabric.errors import NotCacheable
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._answer import read_generations, to_answer
from cache_fabric.langchain._lookups import tell
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.langchain._replay import replayed
from cache_fabric.langchain._seam import FailOpen, Seam, asked_above, mark_of
from cache_fabric.langchain._whole import whole_result, whole_stream
from cache_fabric.types import Answer, Bypass, CacheRequest, Hit, LookupResult, Miss, Ticket

__all__ = ["ModelCall", "Served"]


@dataclass(frozen=True, slots=True)
class Served:
    """A kept answer in LangChain's words.

    Attributes:
        generations: For a plain call.
        chunks: The same for a stream, empty for a plain call.
        latency: What the model took for it, in seconds, ``None`` if that is not known.
    """

    generations: list[ChatGeneration]
    chunks: list[ChatGenerationChunk]
    latency: float | None


class ModelCall:
    """Looks up, then keeps or gives back; no method fails for a fault of ours.

    Args:
        fabric: Asked and told.
        seam: Reports what goes wrong.
        request: Makes the request; may raise.
        output_version: Of the model, for the form in which its answer is kept.
        streams: Whether a kept answer is wanted as a stream.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        seam: Seam,
        request: Callable[[], CacheRequest],
        output_version: str | None,
        *,
        streams: bool,
    ) -> None:
        self._fabric = fabric
        self._seam = seam
        self._make = request
        self._output_version = output_version
        self._streams = streams
        self._request: CacheRequest | None = None
        self._ticket: Ticket | None = None
        self._is_asked = asked_above(fabric)  # by a host that knows more of this call
        self._open: Ticket | CacheRequest | None = None

    @property
    def key(self) -> str | None:
        """The exact key, between a `begin` that found no answer and the end of the lookup."""
        return None if self._ticket is None else self._ticket.keys.exact

    def begin(self) -> Served | None:
        """Learn the key; returns the answer where the process holds it."""
        with self._harmless():
            return None if self._is_asked else self._begun(self._fabric.sync.begin(self._asked()))
        return None

    async def abegin(self) -> Served | None:
        """As `begin`, without blocking the running loop."""
        with self._harmless():
            return None if self._is_asked else self._begun(await self._fabric.begin(self._asked()))
        return None

    def lookup(self) -> Served | None:
        """Return the kept answer, or ``None``: then the model is called."""
        with self._harmless():
            target = self._looked_up()
            return None if target is None else self._served(self._fabric.sync.lookup(target))
        return None

    async def alookup(self) -> Served | None:
        """As `lookup`, without blocking the running loop."""
        with self._harmless():
            target = self._looked_up()
            return None if target is None else self._served(await self._fabric.lookup(target))
        return None

    def joined(self) -> dict[str, Any] | None:
        """End the lookup of a call that read another one's answer; returns the mark of a hit."""
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            return None
        with self._harmless(counts_bypass=False):
            result = self._fabric.joined(ticket)
            if isinstance(result, Hit):
                return mark_of(result)
            self._open = ticket
        return None

    def keep(self, result: ChatResult) -> None:
        """Keep what the model said, if it is fit for that."""
        self._keep(lambda: whole_result(result, self._output_version))

    def keep_stream(self, chunks: Sequence[ChatGenerationChunk]) -> None:
        """Keep what a stream said that ended by itself."""
        self._keep(lambda: whole_stream(chunks, self._output_version))

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

    def leave(self) -> None:
        """Give the call up; there is nothing to stand in for it."""
        target, self._open = self._open, None
        self._give_back(target)

    def _keep(self, generations: Callable[[], Sequence[ChatGeneration]]) -> None:
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

    def _give_back(self, target: Ticket | CacheRequest | None) -> None:
        if isinstance(target, Ticket):
            with self._harmless(counts_bypass=False):
                self._fabric.sync.release(target)

    def _looked_up(self) -> Ticket | CacheRequest | None:
        """Return what to look up, which is done once."""
        ticket, self._ticket = self._ticket, None
        return ticket or (None if self._is_asked else self._asked())

    def _asked(self) -> CacheRequest:
        self._is_asked = True
        self._request = self._make()
        return self._request

    def _begun(self, begun: Ticket | Hit | Bypass) -> Served | None:
        if isinstance(begun, Ticket):
            self._ticket = begun
            return None
        return self._served(begun)

    def _served(self, result: LookupResult | None) -> Served | None:
        if result is not None:
            tell(result)
        if isinstance(result, Miss):
            self._open = result.ticket
        if not isinstance(result, Hit):
            return None
        entry = result.entry
        try:
            generations = read_generations(entry.payload, "chat", mark_of(result))
            chats = [_free(g) for g in generations if isinstance(g, ChatGeneration)]
            chunks = replayed(chats[0]) if self._streams else []
        except Exception:
            self._open = self._request  # what the model says now takes its place
            raise
        return Served(chats, chunks, entry.latency)

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
