"""An agent's system prompt and tool descriptions come from contexts, as they are when it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from cache_fabric import CacheFabric, ContextScope, ExactOnly, create_cache_fabric
from cache_fabric.langchain import FabricMiddleware
from cache_fabric.stores.base import Changes, Record
from cache_fabric.stores.memory import MemoryStore
from langchain_host.agents import QUESTION, AgentChat, Ask, Heard, Seen, agent_chat, calls, says

KEY = "router:guide:system_prompt"
TOOLS = "router:guide:tools"
Publish = Callable[[], None]


@dataclass
class Context:
    tenant: str | None = None
    user: str | None = None


@tool
def look_up(city: str, unit: str = "C") -> str:
    """Look the weather up."""
    return "Sunny."


def two_turns(between: Callable[[], object]) -> Any:
    """Call a tool, then say what the prompt of the second call was; publish in between."""

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return says("Done.")
        between()
        return calls(("look_up", {"city": "Oslo"}))

    return rule


def make_agent(chat: AgentChat, fabric: CacheFabric, **options: Any) -> Any:
    ours = ("prompt_key", "tools_key", "variables", "pin")
    known = {name: options.pop(name) for name in ours if name in options}
    middleware = FabricMiddleware(fabric, **known)
    return create_agent(chat, [look_up], middleware=[middleware], system_prompt="Own.", **options)


# Where the prompt comes from


def test_the_prompt_is_the_current_version(exact: CacheFabric, ask: Ask) -> None:
    chat = agent_chat()
    agent = make_agent(chat, exact, prompt_key=KEY)
    for text in ("Be brief.", "Be long."):
        exact.sync.set_context(KEY, text)
        ask(agent, QUESTION)
    assert chat.prompts == ["Be brief.", "Be long."]


@pytest.mark.parametrize(("pin", "expected"), [("run", ["one", "one"]), ("live", ["one", "two"])])
def test_a_version_that_is_published_in_the_middle_of_a_run(
    exact: CacheFabric, ask: Ask, pin: Any, expected: list[str]
) -> None:
    exact.sync.set_context(KEY, "one")
    chat = agent_chat(two_turns(lambda: exact.sync.set_context(KEY, "two")))
    agent = make_agent(chat, exact, prompt_key=KEY, pin=pin, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    ask(agent, QUESTION, thread)
    assert chat.prompts == expected
    ask(agent, QUESTION, thread)
    assert chat.prompts[2:] == ["two", "two"]


def test_a_pinned_version_holds_over_an_interrupt(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "one")
    chat = agent_chat(two_turns(lambda: None))
    agent = make_agent(
        chat, exact, prompt_key=KEY, checkpointer=InMemorySaver(), interrupt_before=["tools"]
    )
    thread: Any = {"configurable": {"thread_id": "1"}}
    agent.invoke(QUESTION, thread)
    exact.sync.set_context(KEY, "two")
    agent.invoke(None, thread)
    assert chat.prompts == ["one", "one"]


def test_what_a_run_has_read_is_not_part_of_its_result(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "one")
    agent = make_agent(agent_chat(), exact, prompt_key=KEY)
    assert set(agent.invoke(QUESTION)) == {"messages"}


def test_an_agent_without_a_pinned_context_has_no_further_node(exact: CacheFabric) -> None:
    def nodes(**options: Any) -> set[str]:
        return {*make_agent(agent_chat(), exact, **options).get_graph().nodes}

    assert nodes() == nodes(prompt_key=KEY, pin="live")
    assert nodes(prompt_key=KEY) - nodes() == {"FabricMiddleware.before_agent"}


def test_a_subclass_pins_as_well(exact: CacheFabric) -> None:
    class Mine(FabricMiddleware):
        pass

    exact.sync.set_context(KEY, "one")
    middleware = Mine(exact, prompt_key=KEY)
    assert isinstance(middleware, Mine)
    chat = agent_chat(two_turns(lambda: exact.sync.set_context(KEY, "two")))
    create_agent(chat, [look_up], middleware=[middleware]).invoke(QUESTION)
    assert chat.prompts == ["one", "one"]


def test_the_narrowest_scope_has_the_word(exact: CacheFabric, ask: Ask) -> None:
    exact.sync.set_context(KEY, "for all")
    exact.sync.set_context(KEY, "for one", ContextScope.TENANT, tenant="one")
    exact.sync.set_context(KEY, "for ann", ContextScope.USER, tenant="one", user="ann")
    chat = agent_chat()
    agent = make_agent(chat, exact, prompt_key=KEY, context_schema=Context)
    for context in (Context(), Context("one"), Context("one", "ann"), Context("two", "ann")):
        ask(agent, QUESTION, context=context)
    assert chat.prompts == ["for all", "for one", "for ann", "for all"]


def test_variables_fill_the_prompt(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, 'Serve {name} in {{language}}: {"a": 1}')
    chat = agent_chat()
    named = {"name": "Ann", "language": "French", "unused": object()}
    make_agent(chat, exact, prompt_key=KEY, variables=named).invoke(QUESTION)
    by_run = make_agent(
        chat,
        exact,
        prompt_key=KEY,
        variables=lambda request: {**named, "name": request.runtime.context.user},
        context_schema=Context,
    )
    by_run.invoke(QUESTION, context=Context(user="Bob"))
    make_agent(chat, exact, prompt_key=KEY).invoke(QUESTION)
    assert chat.prompts == [
        'Serve Ann in French: {"a": 1}',
        'Serve Bob in French: {"a": 1}',
        'Serve {name} in {{language}}: {"a": 1}',
    ]


# An answer belongs to the version of its prompt


def counted(fabric: CacheFabric, **options: Any) -> Callable[[], int]:
    """Run an agent; return how often a model has been called."""
    seen = Seen()

    def run() -> int:
        chat = AgentChat()
        chat._seen = seen
        make_agent(chat, fabric, prompt_key=KEY, **options).invoke(QUESTION)
        return len(seen.calls)

    return run


@pytest.mark.parametrize("variables", [None, {"name": "Ann"}])
def test_publishing_rolling_back_and_editing_decide_what_is_served(
    exact: CacheFabric, variables: Any
) -> None:
    run = counted(exact, variables=variables)
    exact.sync.set_context(KEY, "Serve {name}.")
    assert (run(), run()) == (1, 1)
    exact.sync.set_context(KEY, "Serve {name} well.")
    assert (run(), run()) == (2, 2)
    exact.sync.rollback_context(KEY, 1)
    assert run() == 2
    exact.sync.set_context(KEY, "Serve  {name}.", change="cosmetic")
    assert run() == 2
    exact.sync.set_context(KEY, "Serve {name}!", change="breaking")
    assert run() == 3


def test_the_values_of_variables_count(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "Serve {name}.")
    runs = [counted(exact, variables={"name": name}) for name in ("Ann", "Bob")]
    assert [run() for run in runs * 2] == [1, 1, 1, 1]


def test_variables_that_the_prompt_does_not_use_do_not_count(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "Serve {name}.")
    seen = Seen()
    for more in ({}, {"day": "Monday"}, {"day": object()}):
        chat = AgentChat()
        chat._seen = seen
        variables = {"name": "Ann", **more}
        make_agent(chat, exact, prompt_key=KEY, variables=variables).invoke(QUESTION)
    assert len(seen.calls) == 1


# Tool definitions


def test_tools_are_described_by_the_context(exact: CacheFabric, ask: Ask) -> None:
    described = {"properties": {"city": {"description": "In English.", "type": "integer"}}}
    definitions = [
        {"name": "look_up", "description": "Ask for the weather.", "parameters": described},
        {"name": "no_such_tool", "description": "Not ours."},
    ]
    exact.sync.set_context(TOOLS, definitions)
    chat = agent_chat(two_turns(lambda: None))
    state = ask(make_agent(chat, exact, tools_key=TOOLS), QUESTION)
    (told,) = chat.bound["tools"]
    function = told["function"]
    assert function["description"] == "Ask for the weather."
    assert function["parameters"]["properties"]["city"] == {
        "description": "In English.",
        "type": "string",
    }
    assert function["parameters"]["properties"]["unit"] == {"default": "C", "type": "string"}
    assert function["parameters"]["required"] == ["city"]
    assert state["messages"][2].content == "Sunny."
    assert look_up.description == "Look the weather up."


def test_what_tools_are_told_to_be_counts(exact: CacheFabric) -> None:
    chat = agent_chat()
    agent = make_agent(chat, exact, tools_key=TOOLS)
    for said in ("one", "two", "one"):
        exact.sync.set_context(TOOLS, [{"name": "look_up", "description": said}])
        agent.invoke(QUESTION)
    assert chat.calls == 2


def test_definitions_are_pinned_like_the_prompt(exact: CacheFabric) -> None:
    def publish(said: str) -> None:
        exact.sync.set_context(TOOLS, [{"name": "look_up", "description": said}])

    publish("one")
    chat = agent_chat(two_turns(lambda: publish("two")))
    make_agent(chat, exact, tools_key=TOOLS).invoke(QUESTION)
    told = [bound["tools"][0]["function"]["description"] for _, bound in chat._seen.calls]
    assert told == ["one", "one"]


# What callbacks hear


def test_the_version_is_in_the_metadata_of_the_models_run_and_of_a_hit(
    exact: CacheFabric, ask: Ask
) -> None:
    exact.sync.set_context(KEY, "Be long.")
    exact.sync.set_context(KEY, "Be brief.")
    heard = Heard()
    agent = make_agent(agent_chat(), exact, prompt_key=KEY)
    for _ in range(2):
        ask(agent, QUESTION, {"callbacks": [heard], "metadata": {"mine": 1}})
    mark = {"key": KEY, "version": 2, "behaviour": 2}
    assert heard.contexts == [mark]
    assert heard.hits[0]["cache_fabric_context"] == mark


def test_the_mark_ends_with_the_call(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "Be brief.")
    heard = Heard()
    inner = agent_chat()

    @tool
    def think() -> str:
        """Think."""
        return str(inner.invoke("x").text)

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        return says("x") if isinstance(messages[-1], ToolMessage) else calls(("think", {}))

    middleware = FabricMiddleware(exact, prompt_key=KEY)
    agent = create_agent(agent_chat(rule), [think], middleware=[middleware])
    agent.invoke(QUESTION, {"callbacks": [heard]})
    assert [mark is None for mark in heard.contexts] == [False, True, False]


# What is not to be had


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "it is not known"),
        (["a list"], "it is not text"),
        ("Serve {nobody}.", "expected values for nobody"),
    ],
)
def test_the_agents_own_prompt_stays(
    exact: CacheFabric, ask: Ask, caplog: pytest.LogCaptureFixture, value: Any, why: str
) -> None:
    if value is not None:
        exact.sync.set_context(KEY, value)
    chat = agent_chat(lambda messages, _: says(f"{len(messages)}"))
    agent = make_agent(chat, exact, prompt_key=KEY, variables={}, checkpointer=InMemorySaver())
    with caplog.at_level(logging.WARNING, logger="cache_fabric"):
        for _ in range(2):
            ask(agent, QUESTION, {"configurable": {"thread_id": "1"}})
    assert chat.prompts == ["Own.", "Own."]
    (record,) = caplog.records
    assert KEY in record.getMessage()
    assert why in record.getMessage()


@pytest.mark.parametrize("value", [None, "text", [], [{"description": "nameless"}], ["look_up"]])
def test_the_agents_own_tools_stay(exact: CacheFabric, value: Any) -> None:
    if value is not None:
        exact.sync.set_context(TOOLS, value)
    chat = agent_chat()
    make_agent(chat, exact, tools_key=TOOLS).invoke(QUESTION)
    assert chat.bound["tools"][0]["function"]["description"] == "Look the weather up."


def test_a_function_of_variables_that_fails_leaves_the_agents_own(exact: CacheFabric) -> None:
    exact.sync.set_context(KEY, "Serve {name}.")
    chat = agent_chat()
    make_agent(chat, exact, prompt_key=KEY, variables=lambda _: 1 / 0).invoke(QUESTION)
    assert chat.prompts == ["Own."]


class Leaving(MemoryStore):
    """A store that goes away when it is told to: it hangs."""

    away = False

    async def records(self, prefix: str) -> list[Record]:
        await self._stay()
        return await super().records(prefix)

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        await self._stay()
        return await super().changes(after, limit)

    async def get(self, key: str) -> bytes | None:
        await self._stay()
        return await super().get(key)

    async def _stay(self) -> None:
        if self.away:
            await asyncio.Event().wait()


@pytest.fixture
def leaving() -> Iterator[tuple[Leaving, CacheFabric]]:
    store = Leaving("n")
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store)
    yield store, fabric
    fabric.sync.close()


def test_while_the_store_is_away_the_last_known_holds(
    leaving: tuple[Leaving, CacheFabric], ask: Ask
) -> None:
    store, fabric = leaving
    fabric.sync.set_context(KEY, "Be brief.")
    store.away = True
    chat = agent_chat()
    ask(make_agent(chat, fabric, prompt_key=KEY), QUESTION)
    assert chat.prompts == ["Be brief."]


@pytest.mark.parametrize("pin", ["run", "live"])
def test_a_store_that_never_was_there_delays_nothing_for_long(
    leaving: tuple[Leaving, CacheFabric], ask: Ask, pin: Any
) -> None:
    store, fabric = leaving
    store.away = True
    chat = agent_chat()
    ask(make_agent(chat, fabric, prompt_key=KEY, pin=pin), QUESTION)
    assert chat.prompts == ["Own."]
