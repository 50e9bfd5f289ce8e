"""What tests of streams share: an answer in several words, readers, and what was counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain._hooks import desk_of

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

SENTENCE = "Paris is the capital of France."
PATIENCE = 60.0


def sentence(_: list[BaseMessage]) -> AIMessage:
    return AIMessage(
        SENTENCE,
        response_metadata={"model_name": "fake-1"},
        usage_metadata={"input_tokens": 3, "output_tokens": 6, "total_tokens": 9},
    )


def calling(tool: str, text: str = "") -> Callable[[list[BaseMessage]], AIMessage]:
    """Return a reply that calls a tool."""
    call = {"name": tool, "args": {"city": "Zürich", "days": [1, 2.5]}, "id": "call_1"}
    return lambda _: AIMessage(text, tool_calls=[{**call, "type": "tool_call"}])


def raising(error: BaseException) -> Callable[[list[BaseMessage]], AIMessage]:
    """Return a reply that fails."""

    def reply(_: list[BaseMessage]) -> AIMessage:
        raise error

    return reply


def merged(chunks: Sequence[Any]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    return whole


def text_of(chunks: Sequence[Any]) -> str:
    return "".join(chunk.text for chunk in chunks)


def lookups(events: list[Event]) -> Counter[str]:
    return Counter(e.tier or e.outcome for e in events if isinstance(e, LookupEvent))


def stores(events: list[Event]) -> Counter[str]:
    return Counter(e.outcome for e in events if isinstance(e, StoreEvent))


def readers_of(chat: StreamingChat) -> int:
    """Return how many callers share the streams of a model that are under way."""
    desk = desk_of(chat)
    assert desk is not None
    streaming = desk.streaming
    streams = [*streaming._live._streams.values(), *streaming._live_async._streams.values()]
    return sum(stream.readers for stream in streams)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


async def await_until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0)
