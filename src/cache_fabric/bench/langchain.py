"""What a warm hit costs a LangChain application, ours beside LangChain's own in-memory cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from cache_fabric.bench.timing import Row, interleaved
from cache_fabric.factory import create_cache_fabric
from cache_fabric.langchain import (
    FabricCache,
    FabricCallbackHandler,
    FabricMiddleware,
    cached,
)

__all__ = ["langchain_hits"]

_CHAT: Any = [
    ("system", "You are the support assistant of a shop. Answer in two sentences."),
    ("user", "How do I return an item?"),
]
_ANSWER = "By post, within 60 days. " * 8


class InstantModel(BaseChatModel):
    """Takes no time; written down as a constructor, as partners' models are."""

    model: str = "gpt-4o-mini"

    @property
    def _llm_type(self) -> str:
        return "instant"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = AIMessage(_ANSWER, response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        words = _ANSWER.split(" ")
        for word in words:
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
        last = AIMessageChunk(content="", response_metadata={"finish_reason": "stop"})
        yield ChatGenerationChunk(message=last)


def langchain_hits(rounds: int = 1000) -> list[Row]:
    """Measure a warm hit through cache, wrapper, callback and middleware on ``memory``.

    Every row asks one question again and again. The ratio is to the same call, plain or of an
    agent, with `InMemoryCache` in place of the fabric; a stream is compared with the stream of a
    model that takes no time, since LangChain has no cache for it.
    """
    theirs = InstantModel(cache=InMemoryCache())
    fabric = create_cache_fabric("memory")
    with fabric.sync:
        ours, wrapped = InstantModel(cache=FabricCache(fabric)), cached(InstantModel(), fabric)
        tracked: Any = {"callbacks": [FabricCallbackHandler(fabric)]}
        agent = create_agent(theirs)
        answered = create_agent(InstantModel(), middleware=[FabricMiddleware(fabric)])
        calls: dict[str, Callable[[int], object]] = {
            "InMemoryCache, invoke": lambda _: theirs.invoke(_CHAT),
            "FabricCache, invoke": lambda _: ours.invoke(_CHAT),
            "cached model, invoke": lambda _: wrapped.invoke(_CHAT),
            "cached model, invoke, tracked": lambda _: wrapped.invoke(_CHAT, tracked),
            "model, stream": lambda _: list(theirs.stream(_CHAT)),
            "cached model, stream": lambda _: list(wrapped.stream(_CHAT)),
            "InMemoryCache, agent": lambda _: agent.invoke({"messages": _CHAT}),
            "FabricMiddleware, agent": lambda _: answered.invoke({"messages": _CHAT}),
        }
        for call in calls.values():
            call(0)
        found = interleaved(calls, rounds)
        asked = fabric.sync.get_metrics()
    assert asked["misses"] <= len(calls), asked
    rows, base, against = [], 0.0, ""
    for name, (p50, p99) in found.items():
        is_base = name.startswith(("InMemoryCache", "model"))
        if is_base:
            base, against = p50, name
        rows.append(Row(name, p50, p99, p50 / base, "" if is_base else f"against {against}"))
    return rows
