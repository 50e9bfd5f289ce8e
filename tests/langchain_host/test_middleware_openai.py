"""Agents over OpenAI's API: the middleware's hits, and what a provider makes of its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from openai import APIError
from pydantic import BaseModel

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricMiddleware, cached
from fake_openai import Upstream, serving

Make = Callable[..., Any]


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture
def make(exact: CacheFabric, upstream: Upstream) -> Make:
    """Make an agent on a model of its own."""

    def agent(model: dict[str, Any] | None = None, wrapped: bool = False, **options: Any) -> Any:
        known = {"model": "gpt-4o-mini", "base_url": upstream.url, "api_key": "k"}
        chat: Any = ChatOpenAI(**{**known, "max_retries": 0, **(model or {})})
        chat = cached(chat, exact) if wrapped else chat
        repeatable = options.pop("repeatable", ())
        middleware = FabricMiddleware(exact, repeatable_tools=repeatable)
        return create_agent(chat, options.pop("tools", []), middleware=[middleware], **options)

    return agent


def asked(text: str) -> Any:
    return {"messages": [("user", text)]}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
def test_a_structured_response_is_kept(
    make: Make, upstream: Upstream, strategy: Any, responses: bool, wrapped: bool
) -> None:
    states = []
    for _ in range(2):
        agent = make({"use_responses_api": responses}, wrapped, response_format=strategy(City))
        states.append(agent.invoke(asked("'Paris' has 2 people")))
    first, second = [state["structured_response"] for state in states]
    assert first == second
    assert type(second) is City
    assert len(upstream.calls) == 1
    kinds = [[message.type for message in state["messages"]] for state in states]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("responses", [False, True])
def test_an_agents_loop_is_the_same_after_hits(
    make: Make, upstream: Upstream, responses: bool
) -> None:
    """Two turns in one thread: what a hit left in the history is what a provider would take."""
    ran: list[str] = []

    @tool
    def look_weather_up(city: str) -> str:
        """Look the weather up."""
        ran.append(city)
        return f"Sunny in {city}."

    @tool
    def send_letter(text: str) -> str:
        """Send a letter."""
        ran.append("sent")
        return "Sent."

    def run() -> list[tuple[str, str]]:
        agent = make(
            {"use_responses_api": responses},
            tools=[look_weather_up, send_letter],
            repeatable=["look_weather_up"],
            checkpointer=InMemorySaver(),
        )
        thread: Any = {"configurable": {"thread_id": "1"}}
        for text in ("The weather in 'Oslo'?", "Send a letter 'hello'.", "Thank you."):
            state = agent.invoke(asked(text), thread)
        assert len({message.id for message in state["messages"]}) == len(state["messages"])
        return [(message.type, message.text) for message in state["messages"]]

    first = run()
    calls = len(upstream.calls)
    assert run() == first
    assert ran == ["Oslo", "sent", "sent"]
    assert len(upstream.calls) == calls + 1  # the turn that calls for a letter


def test_a_hits_tool_calls_and_results_keep_together(make: Make) -> None:
    @tool
    def look_weather_up(city: str) -> str:
        """Look the weather up."""
        return f"Sunny in {city}."

    agent = make(tools=[look_weather_up], repeatable=["look_weather_up"])
    seen = set()
    for _ in range(3):
        messages = agent.invoke(asked("The weather in 'Oslo'?"))["messages"]
        (call,) = messages[1].tool_calls
        assert isinstance(messages[2], ToolMessage)
        assert messages[2].tool_call_id == call["id"]
        seen.add(call["id"])
    assert len(seen) == 3


def test_the_place_of_the_model_counts(make: Make, upstream: Upstream) -> None:
    with serving() as other:
        for url in (upstream.url, other.url, upstream.url):
            make({"base_url": url}).invoke(asked("hello"))
        assert (len(upstream.calls), len(other.calls)) == (1, 1)


async def test_agents_that_ask_the_same_at_once_make_one_call(
    make: Make, upstream: Upstream
) -> None:
    agent = make()
    upstream.hold()
    running = [asyncio.create_task(agent.ainvoke(asked("hello"))) for _ in range(20)]
    await asyncio.to_thread(upstream.wait_until_held, 1)
    upstream.release()
    states = await asyncio.gather(*running)
    assert len({state["messages"][-1].text for state in states}) == 1
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("fault", ["500", "cut"])
def test_a_failed_call_keeps_nothing(make: Make, upstream: Upstream, fault: str) -> None:
    agent = make()
    upstream.fail(fault)
    with pytest.raises(APIError):
        agent.invoke(asked("hello"))
    for _ in range(2):
        assert isinstance(agent.invoke(asked("hello"))["messages"][-1], AIMessage)
    assert len(upstream.calls) == 2


def test_an_answer_that_was_cut_short_is_not_kept(make: Make, upstream: Upstream) -> None:
    agent = make()
    upstream.fail("length", times=2)
    for _ in range(2):
        agent.invoke(asked("hello"))
    assert len(upstream.calls) == 2
