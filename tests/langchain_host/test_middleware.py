"""An agent's model call is answered from the fabric when all that it sends is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import dynamic_prompt, wrap_model_call
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from cache_fabric import CacheFabric, CacheOptions, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricCache, FabricMiddleware, cached
from langchain_host.agents import QUESTION, AgentChat, Ask, Heard, Seen, agent_chat, says


@dataclass
class Context:
    tenant: str | None = None
    user_id: Any = None


@tool
def weather(city: str) -> str:
    """Say the weather of a city."""
    return f"Sunny in {city}."


@tool("weather")
def other_weather(city: str, day: str = "today") -> str:
    """Say the weather of a city."""
    return f"Sunny in {city} {day}."


def make_agent(chat: AgentChat, middleware: Any, **options: Any) -> Any:
    return create_agent(
        chat,
        options.pop("tools", []),
        middleware=[middleware],
        **{"system_prompt": "Be brief.", **options},
    )


def outcomes(events: list[Event]) -> list[tuple[str, str]]:
    return [(e.outcome, e.reason) for e in events if isinstance(e, LookupEvent)]


def test_the_second_run_calls_no_model(exact: CacheFabric, ask: Ask) -> None:
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(exact))
    first, second = [ask(agent, QUESTION)["messages"][-1] for _ in range(2)]
    assert chat.calls == 1
    assert (first.content, second.content) == ("Paris.", "Paris.")
    assert first.id != second.id
    assert second.response_metadata["cache_fabric"]["tier"] == "hot"
    assert second.usage_metadata == first.usage_metadata


def test_three_turns_with_one_answer_leave_six_messages(exact: CacheFabric, ask: Ask) -> None:
    @wrap_model_call
    def only_the_question(request: Any, handler: Any) -> Any:
        return handler(request.override(messages=request.messages[-1:]))

    class Both(type(only_the_question)):  # type: ignore[misc]
        async def awrap_model_call(self, request: Any, handler: Any) -> Any:
            return await handler(request.override(messages=request.messages[-1:]))

    chat = agent_chat()
    middleware: list[Any] = [Both(), FabricMiddleware(exact)]
    agent = create_agent(chat, middleware=middleware, checkpointer=InMemorySaver())
    for _ in range(3):
        state = ask(agent, QUESTION, config={"configurable": {"thread_id": "1"}})
    assert chat.calls == 1
    assert [message.type for message in state["messages"]] == ["human", "ai"] * 3
    assert len({message.id for message in state["messages"]}) == 6


def test_a_turn_after_a_hit_and_a_turn_after_a_miss_share_a_key(exact: CacheFabric) -> None:
    chat = agent_chat(lambda messages, _: says(f"answer {len(messages)}"))
    for _ in range(2):
        agent = make_agent(chat, FabricMiddleware(exact), checkpointer=InMemorySaver())
        for question in ("capital?", "and of Spain?"):
            thread: Any = {"configurable": {"thread_id": "1"}}
            agent.invoke({"messages": [("user", question)]}, thread)
    assert chat.calls == 2


CHANGES: dict[str, Any] = {
    "model": {"chat": {"model": "agent-2"}},
    "temperature": {"chat": {"temperature": 0.5}},
    "system prompt": {"options": {"system_prompt": "Be long."}},
    "no system prompt": {"options": {"system_prompt": None}},
    "tools": {"options": {"tools": [weather]}},
    "history": {"asked": {"messages": [("user", "hi"), ("ai", "hello"), ("user", "capital?")]}},
    "question": {"asked": {"messages": [("user", "capital of Spain?")]}},
    "image": {
        "asked": {
            "messages": [
                HumanMessage(["capital?", {"type": "image", "base64": "eA==", "mime_type": "a/b"}])
            ]
        }
    },
    "agent's name": {"options": {"name": "guide"}},
    "tenant": {"known": {"context": Context(tenant="two")}},
    "no tenant": {"known": {"context": Context(tenant=None)}},
    "user": {"known": {"context": Context(tenant="one", user_id="ann")}},
    "a schema": {"options": {"response_format": {"title": "Answer", "type": "object"}}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_thing_that_is_sent_counts(
    exact: CacheFabric, ask: Ask, change: dict[str, Any]
) -> None:
    seen = Seen()
    known: dict[str, Any] = {"context": Context(tenant="one")}

    def run(**changed: Any) -> None:
        chat = AgentChat(**changed.get("chat", {}))
        chat._seen = seen
        options = {"context_schema": Context, **changed.get("options", {})}
        agent = make_agent(chat, FabricMiddleware(exact), **options)
        ask(agent, changed.get("asked", QUESTION), **{**known, **changed.get("known", {})})

    run()
    run()
    assert len(seen.calls) == 1
    run(**change)
    assert len(seen.calls) == 2


def test_a_message_under_a_name_that_no_key_knows_is_not_kept(exact: CacheFabric) -> None:
    chat = agent_chat(lambda *_: says("Paris.").model_copy(update={"name": "somebody"}))
    agent = make_agent(chat, FabricMiddleware(exact))
    for _ in range(2):
        assert agent.invoke(QUESTION)["messages"][-1].name == "somebody"
    assert chat.calls == 2


def test_the_definition_of_a_tool_counts(exact: CacheFabric) -> None:
    chat = agent_chat()
    for known in (weather, other_weather, weather):
        make_agent(chat, FabricMiddleware(exact), tools=[known]).invoke(QUESTION)
    assert chat.calls == 2


def settings(**changed: Any) -> Any:
    @wrap_model_call
    def change(request: Any, handler: Any) -> Any:
        return handler(request.override(**changed))

    return change


@pytest.mark.parametrize(
    "changed",
    [
        {"tool_choice": "weather"},
        {"model_settings": {"seed": 7}},
        {"model_settings": {"stop": ["."]}},
        {"tools": []},
    ],
)
def test_what_another_middleware_changes_before_counts(
    exact: CacheFabric, changed: dict[str, Any]
) -> None:
    chat = agent_chat()
    for before in ([], [settings(**changed)]) * 2:
        middleware = [*before, FabricMiddleware(exact)]
        create_agent(chat, [weather], middleware=middleware).invoke(QUESTION)
    assert chat.calls == 2


def test_a_dynamic_prompt_counts(exact: CacheFabric) -> None:
    said = ["Be brief."]

    @dynamic_prompt
    def prompt(request: Any) -> str:
        return said[-1]

    chat = agent_chat()
    agent = create_agent(chat, middleware=[prompt, FabricMiddleware(exact)])
    for text in ("Be brief.", "Be long.", "Be brief."):
        said.append(text)
        agent.invoke(QUESTION)
    assert chat.prompts == ["Be brief.", "Be long."]


def test_a_tool_result_at_the_end_must_match_exactly(fabric: CacheFabric) -> None:
    """With a policy that compares by meaning."""
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(fabric), tools=[weather])

    def after(result: str) -> Any:
        call = {"name": "weather", "args": {"city": "Oslo"}, "id": "1"}
        return {
            "messages": [
                HumanMessage("What is the weather in Oslo?"),
                AIMessage("", tool_calls=[call]),
                ToolMessage(result, tool_call_id="1"),
            ]
        }

    for result in ("It is sunny in Oslo.", "It's sunny in Oslo.", "It is sunny in Oslo."):
        agent.invoke(after(result))
    assert chat.calls == 2


# Whose call it is


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tenant": "one"}, {"tenant": "two"}),
        ({"tenant": "one"}, {"tenant_id": "two"}),
        ({"tenant": "one", "user": "ann"}, {"tenant": "one", "user": "bob"}),
        ({"user_id": "ann"}, {}),
    ],
)
def test_the_context_may_be_a_mapping(exact: CacheFabric, one: Any, other: Any) -> None:
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(exact), context_schema=dict)
    for context in (one, other, one, other):
        agent.invoke(QUESTION, context=context)
    assert chat.calls == 2


def test_the_metadata_of_a_run_names_who_the_context_does_not(exact: CacheFabric) -> None:
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(exact), context_schema=Context)
    runs: list[tuple[str, Context]] = [
        ("one", Context()),
        ("two", Context()),
        ("two", Context(tenant="one")),
    ]
    for named, context in runs:
        agent.invoke(QUESTION, {"metadata": {"cache_fabric_tenant": named}}, context=context)
    assert chat.calls == 2


def test_an_argument_stands_above_the_context(exact: CacheFabric) -> None:
    chat = agent_chat()
    for tenant in ("fixed", lambda runtime: "fixed"):
        agent = make_agent(chat, FabricMiddleware(exact, tenant=tenant), context_schema=Context)
        for named in ("one", "two"):
            agent.invoke(QUESTION, context=Context(tenant=named))
    assert chat.calls == 1


def test_a_function_names_the_tenant_of_a_run(exact: CacheFabric) -> None:
    chat = agent_chat()
    middleware = FabricMiddleware(exact, tenant=lambda runtime: runtime.context.user_id)
    agent = make_agent(chat, middleware, context_schema=Context)
    for named in ("one", "two", "one"):
        agent.invoke(QUESTION, context=Context(user_id=named))
    assert chat.calls == 2


@pytest.mark.parametrize("odd", [7, "", object(), ["one"]])
def test_a_user_that_is_no_name_shares_nothing(
    exact: CacheFabric, events: list[Event], odd: Any
) -> None:
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(exact), context_schema=Context)
    for user in (odd, odd, None):
        agent.invoke(QUESTION, context=Context(user_id=user))
    assert chat.calls == 3
    assert [outcome for outcome, _ in outcomes(events)] == ["bypass", "bypass", "miss"]


def test_without_a_tenant_nothing_is_kept_where_one_is_required() -> None:
    fabric = create_cache_fabric(
        "memory", policy=ExactOnly(), config=FabricConfig(require_tenant=True)
    )
    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(fabric), context_schema=Context)
    for context in (None, None, Context(tenant="one"), Context(tenant="one")):
        agent.invoke(QUESTION, context=context)
    assert chat.calls == 3
    fabric.sync.close()


# Beside other hosts of the same fabric


def test_an_agent_and_a_plain_model_share_their_answers(exact: CacheFabric) -> None:
    chat = agent_chat(cache=FabricCache(exact))
    chat.invoke([("system", "Be brief."), ("user", "capital?")])
    make_agent(agent_chat(), FabricMiddleware(exact)).invoke(QUESTION)
    other = agent_chat()
    agent = make_agent(other, FabricMiddleware(exact))
    assert agent.invoke(QUESTION)["messages"][-1].content == "Paris."
    assert (chat.calls, other.calls) == (1, 0)


@pytest.mark.parametrize("globally", [True, False])
def test_a_fabric_is_asked_once(
    exact: CacheFabric, events: list[Event], ask: Ask, globally: bool
) -> None:
    """Another cache of the fabric, which knows no tenant, does not answer in its place."""
    cache = FabricCache(exact)
    chat = agent_chat(cache=None if globally else cache)
    agent = make_agent(chat, FabricMiddleware(exact), context_schema=Context)
    set_llm_cache(cache if globally else None)
    try:
        chat.invoke([("system", "Be brief."), ("user", "capital?")])
        for tenant in ("one", "two", "one"):
            ask(agent, QUESTION, context=Context(tenant=tenant))
    finally:
        set_llm_cache(None)
    assert chat.calls == 3
    assert [outcome for outcome, _ in outcomes(events)] == ["miss"] * 3 + ["hit"]
    assert len([e for e in events if isinstance(e, StoreEvent)]) == 3


def test_a_wrapped_model_is_asked_once(exact: CacheFabric, events: list[Event], ask: Ask) -> None:
    """With the tenant that only the middleware knows, and under the key of the plain model."""
    plain = agent_chat()
    wrapped = cached(plain, exact, user="ann")
    agents = [
        make_agent(chat, FabricMiddleware(exact), context_schema=Context)
        for chat in (wrapped, plain)
    ]
    for agent in agents:
        for tenant in ("one", "two", "one"):
            ask(agent, QUESTION, context=Context(tenant=tenant))
    assert plain.calls == 2
    assert [outcome for outcome, _ in outcomes(events)] == ["miss", "miss"] + ["hit"] * 4
    assert len([e for e in events if isinstance(e, StoreEvent)]) == 2


def test_a_wrapped_model_streams_once_through_an_agent(
    exact: CacheFabric, events: list[Event]
) -> None:
    chat = agent_chat()
    agent = make_agent(cached(chat, exact), FabricMiddleware(exact))
    for _ in range(2):
        parts = [part[0].text for part in agent.stream(QUESTION, stream_mode="messages")]
        assert "".join(parts) == "Paris."
    assert chat.calls == 1
    assert [outcome for outcome, _ in outcomes(events)] == ["miss", "hit"]


def test_a_cache_of_another_fabric_goes_on_working(exact: CacheFabric) -> None:
    other = create_cache_fabric("memory", policy=ExactOnly())
    chat = agent_chat(cache=FabricCache(other))
    chat.invoke([("system", "Be brief."), ("user", "capital?")])
    make_agent(chat, FabricMiddleware(exact)).invoke(QUESTION)
    assert chat.calls == 1
    other.sync.close()


# What the application hears


def test_callbacks_hear_of_a_hit(exact: CacheFabric, ask: Ask) -> None:
    heard = Heard()
    agent = make_agent(agent_chat(), FabricMiddleware(exact))
    for _ in range(2):
        ask(agent, QUESTION, config={"callbacks": [heard]})
    assert heard.models == 1
    (hit,) = heard.hits
    assert (hit["outcome"], hit["kind"], hit["model"]) == ("hit", "model", "agent-1")
    assert {"tier", "similarity", "entry_id", "age", "saved_cost"} <= hit.keys()


def test_a_callback_that_fails_fails_no_hit(exact: CacheFabric, ask: Ask) -> None:
    class Failing(Heard):
        raise_error = True

        def on_custom_event(self, *args: Any, **known: Any) -> None:
            raise ZeroDivisionError

    chat = agent_chat()
    agent = make_agent(chat, FabricMiddleware(exact))
    for _ in range(2):
        ask(agent, QUESTION, config={"callbacks": [Failing()]})
    assert chat.calls == 1


def test_a_hit_is_streamed(exact: CacheFabric) -> None:
    agent = make_agent(agent_chat(), FabricMiddleware(exact))
    for _ in range(2):
        streamed = [part[0].text for part in agent.stream(QUESTION, stream_mode="messages")]
        assert "".join(streamed) == "Paris."


def test_options_reach_the_fabric(exact: CacheFabric) -> None:
    chat = agent_chat()
    tagged = FabricMiddleware(exact, options=CacheOptions(tags=("guide",)))
    make_agent(chat, tagged).invoke(QUESTION)
    assert [entry.tags for entry in exact.sync.list_answers()] == [("guide",)]
    make_agent(chat, FabricMiddleware(exact, options=CacheOptions(no_store=True))).invoke(QUESTION)
    assert chat.calls == 2


# Arguments


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("tenant", ""),
        ("user", 7),
        ("prompt_key", ""),
        ("tools_key", "a\x00b"),
        ("pin", "once"),
        ("tool_ttl", 0),
        ("repeatable_tools", "weather"),
        ("repeatable_tools", [7]),
        ("repeatable_tools", None),
    ],
)
def test_an_argument_that_is_not_usable_is_named(
    exact: CacheFabric, argument: str, value: Any
) -> None:
    with pytest.raises(ValidationError, match=argument):
        FabricMiddleware(exact, **{argument: value})
