"""A class that cannot be subclassed is held: its answers are kept all the same."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import PydanticToolsParser
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricChatModel, cached
from langchain_host.conftest import CountingChat, StreamingChat
from langchain_host.test_wrapper_model import Limiter


class City(BaseModel):
    city: str


class Final(StreamingChat):
    temperature: float = 0.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError("this class is final")

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        cold: BaseChatModel = self.model_copy(update={"temperature": 1.0})
        return cold.bind_tools([schema]) | PydanticToolsParser(tools=[schema], first_tool_only=True)

    def get_num_tokens(self, text: str) -> int:
        return 7


@pytest.fixture
def plain() -> Final:
    return Final()


async def test_calls_and_streams_are_kept(plain: Final, exact: CacheFabric) -> None:
    chat: Any = cached(plain, exact)
    for _ in range(2):
        assert chat.invoke("a?").text == "Paris."
        assert (await chat.ainvoke("b?")).text == "Paris."
        assert "".join(chunk.text for chunk in chat.stream("c?")) == "Paris."
        assert "".join([chunk.text async for chunk in chat.astream("d?")]) == "Paris."
    assert plain.calls == 4
    assert chat.get_num_tokens("any") == 7
    assert not isinstance(chat, Final)
    assert isinstance(chat, FabricChatModel)


def test_bound_tools_and_structured_output_are_kept(plain: Final) -> None:
    call = {"name": "City", "args": {"city": "Oslo"}, "id": "call_1", "type": "tool_call"}
    plain._script.reply = lambda _: AIMessage("", tool_calls=[call])
    plain._script.finish = {"finish_reason": "tool_calls"}
    config = FabricConfig(repeatable_tools=frozenset({"City"}))
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        chat = cached(plain, fabric._fabric)
        for _ in range(2):
            assert chat.bind_tools([City]).invoke("a?").tool_calls[0]["name"] == "City"
            assert chat.with_structured_output(City).invoke("a?") == City(city="Oslo")
            assert list(chat.with_structured_output(City).stream("a?"))[-1] == City(city="Oslo")
    assert plain.calls == 2  # the two differ in temperature


def test_it_is_wrapped_again_on_new_terms(plain: Final, exact: CacheFabric) -> None:
    once = cached(plain, exact)
    assert type(cached(once, exact)) is type(once)
    other = cached(once, exact, tenant="acme")
    for chat in (once, other, once, other):
        chat.invoke("a?")
    assert plain.calls == 2


def test_its_limiter_and_metadata_go_with_it(exact: CacheFabric) -> None:
    limiter = Limiter()
    plain = Final(rate_limiter=limiter, metadata={"cache_fabric_tenant": "acme"})
    chat = cached(plain, exact)
    for _ in range(2):
        chat.invoke("a?")
        list(chat.stream("b?"))
    assert limiter.asked == plain.calls == 2
    cached(StreamingChat(), exact, tenant="umbrella").invoke("a?")
    assert plain.calls == 2


def test_class_that_cannot_stream_still_cannot(exact: CacheFabric) -> None:
    class Mute(CountingChat):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            raise TypeError("this class is final")

    plain = Mute()
    chat = cached(plain, exact)
    assert [len(list(chat.stream("a?"))) for _ in range(2)] == [1, 1]
    assert plain.calls == 1
