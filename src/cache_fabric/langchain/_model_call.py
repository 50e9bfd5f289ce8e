"""One call of a wrapped model, plain or streamed; several may read one stream."""

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
from cache_fabric.langchain._seam import Seam, asked_above, mark_of
from cache_fabric.langchain._whole import whole_result, whole_stream
from cache_fabric.turn import Turn
from cache_fabric.types import (
    Answer,
    Bypass,
    CacheEntry,
    CacheRequest,
    Hit,
    LookupResult,
    Ticket,
    Usage,
)

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


class ModelCall(Turn[Served]):
    """A `Turn` whose key can be known before its lookup, once a call.

    Args:
        fabric, seam, make: As a `Turn` has them.
        output_version: Of the model, for the form in which its answer is kept.
        streams: Whether a kept answer is wanted as a stream.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        seam: Seam,
        make: Callable[[], CacheRequest],
        output_version: str | None,
        *,
        streams: bool,
    ) -> None:
        super().__init__(fabric, seam, make=make, read=self._replayable)
        self._output_version = output_version
        self._streams = streams
        self._ticket: Ticket | None = None
        self._is_asked = asked_above(fabric)  # by a host that knows more of this call

    @property
    def key(self) -> str | None:
        """The exact key, between a `begin` that found no answer and the end of the lookup."""
        return None if self._ticket is None else self._ticket.keys.exact

    def begin(self) -> Served | None:
        """Learn the key; returns the answer where the process holds it."""
        with self._harmless():
            request = self._made()
            return None if request is None else self._begun(self._fabric.sync.begin(request))
        return None

    async def abegin(self) -> Served | None:
        """As `begin`, without blocking the running loop."""
        with self._harmless():
            request = self._made()
            return None if request is None else self._begun(await self._fabric.begin(request))
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

    def keep_result(self, result: ChatResult) -> None:
        """Keep what the model said, if it is fit for that."""
        self.keep(lambda: _answer(lambda: whole_result(result, self._output_version)))

    def keep_stream(self, chunks: Sequence[ChatGenerationChunk]) -> None:
        """Keep what a stream said that ended by itself."""
        self.keep(lambda: _answer(lambda: whole_stream(chunks, self._output_version)))

    def _asked(self) -> Ticket | CacheRequest | None:
        ticket, self._ticket = self._ticket, None
        return ticket or self._made()

    def _made(self) -> CacheRequest | None:
        if self._is_asked:
            return None
        self._is_asked = True
        return super()._made()

    def _begun(self, begun: Ticket | Hit | Bypass) -> Served | None:
        if isinstance(begun, Ticket):
            self._ticket = begun
            return None
        return self._served(begun)

    def _served(self, result: LookupResult | None) -> Served | None:
        if result is not None:
            tell(result)
        return super()._served(result)

    def _replayable(self, entry: CacheEntry, mark: dict[str, Any]) -> Served:
        generations = read_generations(entry.payload, "chat", mark)
        chats = [_free(g) for g in generations if isinstance(g, ChatGeneration)]
        return Served(chats, replayed(chats[0]) if self._streams else [], entry.latency)


def _answer(whole: Callable[[], Sequence[ChatGeneration]]) -> tuple[Answer, Usage | None]:
    try:
        generations = whole()
    except NotCacheable as error:
        return Answer(payload=None, error=error.reason), None
    return to_answer(generations, "chat"), usage_of(generations)


def _free(generation: ChatGeneration) -> ChatGeneration:
    """Say that a hit costs nothing, as LangChain says it of its own cache's hits."""
    message = generation.message
    if isinstance(message, AIMessage):
        usage = {**(message.usage_metadata or {}), "total_cost": 0}
        generation.message = message.model_copy(update={"usage_metadata": usage})
    return generation
