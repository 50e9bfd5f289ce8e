"""What a live stream is to those who share it, whatever their colour.

The leader reads the model's chunks as they are, a follower under ids of its own. Both get copies:
nothing is handed out twice.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from cache_fabric.content_blocks import rename_calls, without_item_ids
from cache_fabric.langchain._fresh import MARK, FreshCallIds, kept_extras, kept_metadata
from cache_fabric.langchain._model_call import ModelCall, Served
from cache_fabric.langchain._outcome import tool_names

__all__ = ["Follower", "Leader", "SharedStream"]

# Added to the usage that came with the stream: it was spent by the leader.
_FREE: Any = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "total_cost": 0}


class SharedStream:
    """State of one stream; `over` once nothing more will come.

    Attributes:
        chunks: As they came.
        over: True after the end, whatever it was.
        error: What ended it early.
        answered: True if the leader found a kept answer: there is no stream, look it up.
        standing_in: The expired answer that may stand in for a failed stream, for the leader.
        readers: Callers who have not left.
        call: The leader's, which keeps what the stream says.
    """

    def __init__(self) -> None:
        self.chunks: list[ChatGenerationChunk] = []
        self.over = False
        self.error: BaseException | None = None
        self.answered = False
        self.standing_in: Served | None = None
        self.readers = 0
        self.call: ModelCall | None = None

    def settle(self, error: BaseException | None) -> None:
        """Keep the whole answer, or give it up."""
        if self.call is None:
            return
        if error is None:
            self.call.keep_stream(self.chunks)
        else:
            self.standing_in = self.call.fail(error, begun=bool(self.chunks))


class Leader:
    """Reads the stream of its own call: as it is, but private."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def take(self, chunk: ChatGenerationChunk) -> list[ChatGenerationChunk]:
        """Return what to pass on."""
        return [_private(chunk)]

    def rest(self, live: SharedStream) -> list[ChatGenerationChunk] | None:
        """Return what is left to pass on; ``None`` if an expired answer stands in; may raise."""
        if live.error is None:
            return []
        if live.standing_in is None:
            raise live.error
        return None


class Follower:
    """Reads the stream of another call, under ids of its own, and ends its own lookup.

    As a context it ends the reading of an answer that must not be shared: one that calls a tool
    which is not declared repeatable, before anything of it was passed on.

    Args:
        call: Of this follower.
        repeatable: Tools whose calls may be shared.
    """

    def __init__(self, call: ModelCall, repeatable: frozenset[str]) -> None:
        self._call = call
        self._repeatable = repeatable
        self._begun = False
        self._alone = False
        self._held: list[ChatGenerationChunk] = []
        self._calls = FreshCallIds()
        self._items: set[Any] = set()
        self._empty: str | list[Any] = ""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            return False
        self._call.joined()
        self._alone = isinstance(error, _NotShared)
        if not self._alone:
            self._call.leave()
        return self._alone

    def take(self, chunk: ChatGenerationChunk) -> list[ChatGenerationChunk]:
        """Return what to pass on; chunks that say nothing wait for one that does."""
        own = self._own(chunk)
        if not self._begun:
            if not _says_something(own):
                self._held.append(own)
                return []
            if not self._repeatable.issuperset(filter(None, tool_names(chunk))):
                raise _NotShared
            self._begun = True
        return [*self._waiting(), own]

    def rest(self, live: SharedStream) -> list[ChatGenerationChunk] | None:
        """Return what is left to pass on, last where the answer came from; may raise.

        ``None`` if the caller has been told nothing, and has to ask again.
        """
        if self._alone or live.answered or (live.error is not None and not self._begun):
            return None
        mark = self._call.joined()
        self._call.leave()
        if live.error is not None:
            raise live.error
        if mark is None:
            return self._waiting()
        usage: Any = {**_FREE}
        message = AIMessageChunk(
            content=self._empty,
            response_metadata={MARK: mark},
            usage_metadata=usage,
            chunk_position="last",
        )
        last = ChatGenerationChunk(message=message, generation_info={MARK: {**mark}})
        return [*self._waiting(), last]

    def _waiting(self) -> list[ChatGenerationChunk]:
        held, self._held = self._held, []
        return held

    def _own(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        chunk = _private(chunk)
        message = chunk.message
        if not isinstance(message, AIMessageChunk):
            return chunk
        self._empty = "" if isinstance(message.content, str) else []
        content = without_item_ids(message.content, self._items)
        message = AIMessageChunk(
            content=rename_calls(content, self._calls),
            tool_call_chunks=self._calls.in_calls(message.tool_call_chunks),
            additional_kwargs=self._calls.in_extras(kept_extras(message.additional_kwargs)),
            response_metadata=kept_metadata(message.response_metadata),
            usage_metadata=message.usage_metadata,
            chunk_position=message.chunk_position,
        )
        return ChatGenerationChunk(message=message, generation_info=chunk.generation_info)


class _NotShared(Exception):
    pass


def _private(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    """Return a copy that shares nothing, or as little as the chunk allows."""
    try:
        return chunk.model_copy(deep=True)
    except Exception:  # noqa: BLE001 - a provider's own objects may be in it, and copy as they like
        return chunk.model_copy(update={"message": chunk.message.model_copy()})


def _says_something(chunk: ChatGenerationChunk) -> bool:
    message = chunk.message
    calls = getattr(message, "tool_call_chunks", None)
    return bool(message.content or calls or any(message.additional_kwargs.values()))
