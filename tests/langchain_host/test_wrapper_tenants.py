"""Whose call it is: named by the terms, by a function, or by the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import cached
from langchain_host.streams import (
    lookups,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


def test_tenant_and_user_are_asked_for_in_the_context_of_each_call(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    user: ContextVar[str | None] = ContextVar("user", default=None)
    plain = make_streaming()
    chat = cached(plain, exact, tenant=tenant.get, user=user.get)
    for name in ("acme", "umbrella", "acme"):
        tenant.set(name)
        chat.invoke("capital?")
    assert plain.calls == 2
    user.set("ann")
    chat.invoke("capital?")
    assert plain.calls == 3


def test_tenant_that_is_no_name_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact, tenant=lambda: "")
    assert [chat.invoke("capital?").text for _ in range(2)] == ["Paris."] * 2
    assert plain.calls == 2
    assert lookups(events) == {"bypass": 2}


def named(tenant: Any) -> Any:
    return {"metadata": {"cache_fabric_tenant": tenant}}


def in_a_chain(chat: StreamingChat) -> Any:
    return RunnableLambda(lambda question: chat.invoke(question)) | (lambda message: message)


def in_a_graph(chat: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_edge(START, "model")
    return graph.compile()


ASKED: dict[str, Callable[[StreamingChat, Any], Any]] = {
    "invoke": lambda chat, config: chat.invoke("a?", config),
    "stream": lambda chat, config: list(chat.stream("a?", config)),
    "batch": lambda chat, config: chat.batch(["a?"], config),
    "typed": lambda chat, config: chat.stream_events("a?", config, version="v3").output,
    "bound": lambda chat, config: list(chat.with_config(config).stream("a?")),
    "chain": lambda chat, config: in_a_chain(chat).invoke("a?", config),
    "chain stream": lambda chat, config: list((chat | (lambda m: m)).stream("a?", config)),
    "graph": lambda chat, config: in_a_graph(chat).invoke({"messages": [("user", "a?")]}, config),
    "graph stream": lambda chat, config: list(
        in_a_graph(chat).stream({"messages": [("user", "a?")]}, config, stream_mode="messages")
    ),
    "inside a streamed graph": lambda chat, config: list(
        in_a_graph(chat.with_config(config)).stream(
            {"messages": [("user", "a?")]}, stream_mode="messages"
        )
    ),
}


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("way", ASKED)
def test_run_may_name_its_tenant(
    make_streaming: MakeStreaming, exact: CacheFabric, way: str
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    for tenant in ("acme", "umbrella", "acme"):
        ASKED[way](chat, named(tenant))
    assert plain.calls == 2
    chat.invoke("a?")
    assert plain.calls == 3
    cached(plain, exact, tenant="acme").invoke("a?", named("umbrella"))
    assert plain.calls == 3


async def test_run_in_a_loop_may_name_its_tenant(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)

    async def stream(tenant: str) -> None:
        async for _ in chat.astream("a?", named(tenant)):
            await asyncio.sleep(0)

    for tenant in ("acme", "umbrella", "acme"):
        await chat.ainvoke("b?", named(tenant))
    assert plain.calls == 2
    await asyncio.gather(*(stream(tenant) for tenant in ("acme", "umbrella") * 3))
    assert plain.calls == 4


def test_run_that_names_no_proper_tenant_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    chat = cached(make_streaming(), exact)
    assert chat.invoke("a?", named(7)).text == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("a?", named(""))) == "Paris."
    assert lookups(events) == {"bypass": 2}
