"""Whatever breaks, the agent gets its answer; and nobody waits for a call that will not end."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricMiddleware
from cache_fabric.stores.memory import MemoryStore
from langchain_host.agents import QUESTION, AgentChat, Ask, agent_chat, calls, says
from servers import eventually

KEY = "router:guide:system_prompt"


class Raising(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise BackendUnavailable("memory", "get", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class Hanging(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None


class Corrupt(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        return b"rubbish"


@tool
def look_up(city: str) -> str:
    """Look the weather up."""
    return f"Sunny in {city}."


def looks_up(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
    if isinstance(messages[-1], ToolMessage):
        return says(str(messages[-1].text))
    return calls(("look_up", {"city": "Oslo"}))


def make_agent(chat: AgentChat, fabric: Any, **options: Any) -> Any:
    middleware = FabricMiddleware(fabric, prompt_key=KEY, repeatable_tools=["look_up"], **options)
    return create_agent(chat, [look_up], middleware=[middleware], system_prompt="Be brief.")


@pytest.mark.parametrize("store", [Raising, Hanging, Corrupt])
def test_an_agent_works_without_its_store(store: type[MemoryStore], ask: Ask) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store("n"))
    agent = make_agent(agent_chat(looks_up), fabric)
    assert ask(agent, QUESTION)["messages"][-1].content == "Sunny in Oslo."
    fabric.sync.close()


def test_a_hanging_store_costs_its_budget_and_no_more() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=Hanging("n"))
    agent = make_agent(agent_chat(), fabric)
    agent.invoke(QUESTION)  # imports, and the store's first opening
    started = time.monotonic()
    agent.invoke(QUESTION)
    assert time.monotonic() - started < 0.1 + 0.4
    fabric.sync.close()


def test_an_agent_works_after_its_fabric_was_closed(exact: CacheFabric, ask: Ask) -> None:
    agent = make_agent(agent_chat(looks_up), exact)
    exact.sync.close()
    assert ask(agent, QUESTION)["messages"][-1].content == "Sunny in Oslo."


async def test_a_blocking_agent_on_the_loop_that_the_fabric_adopted() -> None:
    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        chat = agent_chat(looks_up)
        agent = make_agent(chat, fabric)
        assert agent.invoke(QUESTION)["messages"][-1].content == "Sunny in Oslo."
        for _ in range(2):
            await agent.ainvoke(QUESTION)
        assert chat.calls == 4


class Broken:
    """A fabric that raises what nobody expects, also while counting."""

    def __init__(self) -> None:
        self.sync = self
        self.config = FabricConfig()

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError("a prompt stands here")


def test_any_error_of_ours_is_a_miss(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    agent = make_agent(agent_chat(looks_up), Broken())
    assert ask(agent, QUESTION)["messages"][-1].content == "Sunny in Oslo."
    assert "a prompt" not in caplog.text


def test_an_answer_that_cannot_be_written_is_the_agents(
    exact: CacheFabric, events: list[Event], ask: Ask
) -> None:
    def odd(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        return AIMessage("x", additional_kwargs={"odd": object()})

    agent = make_agent(agent_chat(odd), exact)
    assert ask(agent, QUESTION)["messages"][-1].content == "x"
    (stored,) = [e for e in events if isinstance(e, StoreEvent)]
    assert (stored.outcome, stored.reason) == ("refused", "not plain data: a value of type object")


def test_a_model_that_binds_tools_in_a_way_of_its_own_is_not_cached(
    exact: CacheFabric, events: list[Event]
) -> None:
    class Own(AgentChat):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return super().bind_tools(tools, **kwargs) | (lambda message: message)

    chat = Own()
    agent = make_agent(chat, exact)
    for _ in range(2):
        assert agent.invoke(QUESTION)["messages"][-1].content == "Paris."
    assert chat.calls == 2
    assert {e.outcome for e in events if isinstance(e, LookupEvent)} == {"bypass"}


# The ticket


class Fails(Exception):
    """What a provider raises."""


def test_a_failed_call_is_the_agents_and_gives_its_ticket_back(
    exact: CacheFabric, events: list[Event], ask: Ask
) -> None:
    said: list[Any] = [Fails, Fails, says("Paris.")]

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        answer = said.pop(0)
        if isinstance(answer, AIMessage):
            return answer
        raise answer

    agent = make_agent(agent_chat(rule), exact)
    for _ in range(2):
        with pytest.raises(Fails):
            ask(agent, QUESTION)
    for _ in range(2):
        assert ask(agent, QUESTION)["messages"][-1].content == "Paris."
    stores = [event.outcome for event in events if isinstance(event, StoreEvent)]
    assert stores == ["released", "released", "stored"]


def test_an_expired_answer_may_stand_in_for_a_failed_call(ask: Ask) -> None:
    config = FabricConfig(ttl=60, ttl_jitter=0, stale_if_error=3600, exact_timeout=30)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    chat = agent_chat()
    agent = make_agent(chat, fabric)
    ask(agent, QUESTION)

    def fail(*_: Any) -> AIMessage:
        raise Fails

    chat._seen.rule = fail
    real = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + 600)
        message = ask(agent, QUESTION)["messages"][-1]
    assert message.content == "Paris."
    assert message.response_metadata["cache_fabric"]["stale"] is True
    fabric.sync.close()


async def test_agents_that_ask_the_same_at_once_make_one_call(exact: CacheFabric) -> None:
    gate = threading.Event()

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        assert gate.wait(20)
        return says("Paris.")

    chat = agent_chat(rule)
    agent = make_agent(chat, exact)
    running = [asyncio.create_task(agent.ainvoke(QUESTION)) for _ in range(20)]
    await asyncio.to_thread(eventually, lambda: chat.calls, "a first call")
    gate.set()
    states = await asyncio.gather(*running)
    assert [state["messages"][-1].content for state in states] == ["Paris."] * 20
    assert len({state["messages"][-1].id for state in states}) == 20
    assert chat.calls == 1


async def test_a_cancelled_agent_hands_over(exact: CacheFabric, events: list[Event]) -> None:
    gates = [threading.Event(), threading.Event()]
    gates[1].set()

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        gate = gates[min(chat.calls, 2) - 1]
        assert gate.wait(20)
        return says(f"answer {chat.calls}")

    chat = agent_chat(rule)
    agent = make_agent(chat, exact)
    leader = asyncio.create_task(agent.ainvoke(QUESTION))
    await asyncio.to_thread(eventually, lambda: chat.calls, "a first call")
    follower = asyncio.create_task(agent.ainvoke(QUESTION))
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert (await follower)["messages"][-1].content == "answer 2"
    gates[0].set()
    outcomes = [event.outcome for event in events if isinstance(event, StoreEvent)]
    assert outcomes == ["released", "stored"]
