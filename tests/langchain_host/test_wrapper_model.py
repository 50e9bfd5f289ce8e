"""How a wrapped model itself is called: by its own hooks, at its own rate, with its usage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.load import dumps
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter
from pydantic import PrivateAttr

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import cached
from langchain_host.conftest import CountingChat, Script, StreamingChat

if TYPE_CHECKING:
    MakeStreaming = Callable[..., StreamingChat]


def lookups(events: list[Event]) -> int:
    return sum(isinstance(event, LookupEvent) for event in events)


class Gathering(StreamingChat):
    """Answers plain calls by its stream, and has no asynchronous hook of its own."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages))

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        return self._generate(messages)


class Blocking(CountingChat):
    """Streams in threads only."""

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self._script.calls.append(messages)
        for text in ("Par", "is."):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        last = AIMessageChunk(content="", response_metadata={"finish_reason": "stop"})
        yield ChatGenerationChunk(message=last)


@pytest.mark.parametrize("kind", [Gathering, Blocking])
async def test_hooks_that_call_each_other_look_up_once(
    kind: type[CountingChat], exact: CacheFabric, events: list[Event]
) -> None:
    plain = kind()
    chat = cached(plain, exact)
    assert chat.invoke("a?").text == "Paris."
    assert (await chat.ainvoke("b?")).text == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("c?")) == "Paris."
    assert "".join([chunk.text async for chunk in chat.astream("d?")]) == "Paris."
    assert plain.calls == lookups(events) == 4
    assert [(await chat.ainvoke(q)).text for q in ("a?", "b?", "c?", "d?")] == ["Paris."] * 4
    assert plain.calls == 4


def test_state_of_the_model_is_shared_with_its_hooks(exact: CacheFabric) -> None:
    class Counter(StreamingChat):
        _count: int = PrivateAttr(default=0)

        def _result(self, messages: list[BaseMessage]) -> ChatResult:
            self._count += 1
            return super()._result(messages)

    chat = cached(Counter(), exact)
    for question in ("a?", "b?", "a?"):
        chat.invoke(question)
    assert chat._count == 2


class Limiter(BaseRateLimiter):
    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True


async def test_hits_do_not_count_for_the_rate_limiter(exact: CacheFabric) -> None:
    limiter = Limiter()
    plain = StreamingChat(rate_limiter=limiter)
    chat = cached(cached(plain, exact), exact, tenant="acme")
    assert dumps(chat) == dumps(plain)
    for _ in range(3):
        chat.invoke("a?")
        list(chat.stream("b?"))
        await chat.ainvoke("c?")
        async for _chunk in chat.astream("d?"):
            pass
    assert limiter.asked == plain.calls == 4


class Picky(StreamingChat):
    """Its server does not know that a stream can be asked for its usage."""

    stream_usage: bool | None = None

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        self._refuse()
        yield from super()._stream(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        self._refuse()
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk

    def _refuse(self) -> None:
        if self.stream_usage:
            self._script.closed += 1
            raise ValueError("400: unknown field 'stream_options'")


async def test_server_that_does_not_know_usage_is_not_asked_again(exact: CacheFabric) -> None:
    plain = Picky()
    chat = cached(plain, exact)
    for question in ("a?", "b?"):
        assert "".join(chunk.text for chunk in chat.stream(question)) == "Paris."
    assert (plain._script.closed, plain.calls) == (1, 2)
    chat = cached(Picky(), exact, tenant="acme")
    for question in ("a?", "b?"):
        assert "".join([chunk.text async for chunk in chat.astream(question)]) == "Paris."
    assert chat.stream_usage is None


def test_other_errors_of_a_stream_are_not_tried_again(exact: CacheFabric) -> None:
    class Failing(Picky):
        def _refuse(self) -> None:
            self._script.closed += 1
            raise ValueError("400: the prompt is too long")

    plain = Failing()
    with pytest.raises(ValueError, match="too long"):
        list(cached(plain, exact).stream("a?"))
    assert plain._script.closed == 1


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_native_events_give_way_to_those_of_chunks(exact: CacheFabric) -> None:
    class Native(StreamingChat):
        def _stream_chat_model_events(self, *args: Any, **kwargs: Any) -> Any:
            pytest.fail("events that are not looked up")

    plain = Native()
    chat = cached(plain, exact)
    for _ in range(2):
        assert "".join(chat.stream_events("a?", version="v3").text) == "Paris."
    assert plain.calls == 1


def test_arguments_of_any_name_reach_the_model(exact: CacheFabric) -> None:
    heard: list[dict[str, Any]] = []

    class Hearing(CountingChat):
        def _generate(  # type: ignore[override]
            self, messages: Any, stop: Any = None, **kwargs: Any
        ) -> ChatResult:
            heard.append(kwargs)
            return super()._generate(messages, stop)

    chat = cached(Hearing(), exact)
    chat.invoke("a?", plain=1, model="m", manager=2, call=3)
    assert heard == [{"plain": 1, "model": "m", "manager": 2, "call": 3}]


def test_class_with_slots_of_its_own(exact: CacheFabric) -> None:
    class Slotted(StreamingChat):
        __slots__ = ("seat",)

        def _result(self, messages: list[BaseMessage]) -> ChatResult:
            assert getattr(self, "seat", None) == "window"
            return super()._result(messages)

    plain = Slotted()
    object.__setattr__(plain, "seat", "window")
    plain._script = Script()
    chat = cached(plain, exact)
    object.__setattr__(chat, "seat", "window")
    assert chat.invoke("a?").text == "Paris."


async def test_hooks_that_are_no_generators(exact: CacheFabric) -> None:
    class Listed(CountingChat):
        def _stream(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> Any:
            self._script.calls.append(messages)
            last = AIMessageChunk(content="is.", response_metadata={"finish_reason": "stop"})
            parts = [AIMessageChunk(content="Par"), last]
            return iter([ChatGenerationChunk(message=part) for part in parts])

    plain = Listed()
    chat = cached(plain, exact)
    for _ in range(2):
        assert "".join(chunk.text for chunk in chat.stream("a?")) == "Paris."
        assert "".join([chunk.text async for chunk in chat.astream("b?")]) == "Paris."
    assert plain.calls == 2


def test_hook_that_fails_at_once(exact: CacheFabric, events: list[Event]) -> None:
    class Refusing(StreamingChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        list(cached(Refusing(), exact).stream("a?"))
    assert [getattr(event, "outcome", "") for event in events] == ["miss", "released"]
