"""A prompt is the current version of its context at every call, and its run says which."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import RunnableConfig

from cache_fabric import CacheFabric, ContextScope, create_cache_fabric
from cache_fabric.errors import (
    BackendUnavailable,
    NotFound,
    SyncCallOnIOLoopError,
    ValidationError,
)
from cache_fabric.stores.memory import MemoryStore
from servers import eventually

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

Pair = tuple[CacheFabric, CacheFabric]
MakeChat = Callable[..., "CountingChat"]
KEY = "router:billing:system_prompt"


class Runs(BaseCallbackHandler):
    """Metadata and input of every chain or prompt that started."""

    run_inline = True

    def __init__(self) -> None:
        self.marks: list[Any] = []
        self.users: list[Any] = []
        self.errors: list[BaseException] = []

    def on_chain_start(self, *args: Any, metadata: Any = None, **known: Any) -> None:
        mark = (metadata or {}).get("cache_fabric_context")
        if mark is not None:
            self.marks.append(mark)
            self.users.append((metadata or {}).get("user"))

    def on_chain_error(self, error: BaseException, **known: Any) -> None:
        self.errors.append(error)


@pytest.fixture
def runs() -> Runs:
    return Runs()


def config(runs: Runs) -> RunnableConfig:
    return {"callbacks": [runs]}


def said(messages: list[BaseMessage]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]


def rendered(
    fabric: CacheFabric, value: Any, given: Any = None, **variables: Any
) -> list[tuple[str, Any]]:
    """What a prompt of this value says to this input."""
    fabric.sync.set_context(KEY, value)
    return said(fabric.prompt(KEY, **variables).invoke(given).to_messages())


# What is rendered


def test_a_text_is_a_system_message(fabric: CacheFabric) -> None:
    fabric.sync.set_context(KEY, "Be brief.")
    value = fabric.prompt(KEY).invoke({})
    assert isinstance(value, ChatPromptValue)
    assert value.messages == [SystemMessage("Be brief.")]


def test_messages_of_a_context_keep_their_roles_and_fields(exact: CacheFabric) -> None:
    call = {"name": "find", "args": {"q": "x"}, "id": "c1", "type": "tool_call"}
    value = [
        {"role": "system", "content": "Be {tone}."},
        {"role": "user", "content": "An example about {topic}"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
    ]
    exact.sync.set_context(KEY, value)
    found = exact.prompt(KEY, tone="brief", topic="tax").invoke({}).to_messages()
    assert said(found)[:2] == [("system", "Be brief."), ("human", "An example about tax")]
    assert isinstance(found[2], AIMessage)
    assert found[2].tool_calls == [call]
    assert isinstance(found[3], ToolMessage)
    assert found[3].tool_call_id == "c1"


def test_blocks_of_content_are_filled_and_kept(exact: CacheFabric) -> None:
    blocks = [
        {"type": "text", "text": "What is on {page}?"},
        {"type": "image_url", "image_url": {"url": "{picture}"}},
    ]
    given = {"page": "page 3", "picture": "https://pictures/3.png"}
    ((_, content),) = rendered(exact, [{"role": "user", "content": blocks}], given)
    assert content == [
        {"type": "text", "text": "What is on page 3?"},
        {"type": "image_url", "image_url": {"url": "https://pictures/3.png"}},
    ]


def test_what_a_caller_changes_changes_no_context(exact: CacheFabric) -> None:
    call = {"name": "find", "args": {"q": {"words": []}}, "id": "c1", "type": "tool_call"}
    value = [{"role": "ai", "content": [{"type": "text", "text": "hello"}], "tool_calls": [call]}]
    exact.sync.set_context(KEY, value)
    before = json.dumps(exact.sync.get_context(KEY).value)
    (message,) = exact.prompt(KEY).invoke({}).to_messages()
    assert isinstance(message, AIMessage)
    assert isinstance(message.content, list)
    message.content.append("poison")
    message.tool_calls[0]["args"]["q"]["words"].append("poison")
    assert json.dumps(exact.sync.get_context(KEY).value) == before


def test_the_input_fills_what_the_code_leaves_open(exact: CacheFabric) -> None:
    text = "Answer {name} about {{ topic }} in {name}'s words."
    given = {"topic": "tax", "name": "Eve", "unused": object()}
    assert rendered(exact, text, given, name="Ann") == [
        ("system", "Answer Ann about tax in Ann's words.")
    ]


def test_values_are_not_templates(exact: CacheFabric) -> None:
    assert rendered(exact, "About {topic}.", {"topic": "{secret}", "secret": "s"}) == [
        ("system", "About {secret}.")
    ]


@pytest.mark.parametrize("value", ["Be {tone}.", [{"role": "user", "content": "Be {tone}."}]])
def test_missing_variables_are_named(exact: CacheFabric, runs: Runs, value: Any) -> None:
    exact.sync.set_context(KEY, value)
    with pytest.raises(ValidationError, match=f"{KEY}: expected values for tone"):
        exact.prompt(KEY, topic="tax").invoke({"name": "Ann"}, config(runs))
    assert [type(error) for error in runs.errors] == [ValidationError]


# What follows the prompt

TURNS = [HumanMessage("hi"), AIMessage("hello")]


@pytest.mark.parametrize(
    ("given", "following"),
    [
        (None, []),
        ({}, []),
        ("why?", [("human", "why?")]),
        ({"question": "why?"}, [("human", "why?")]),
        ({"input": "why?"}, [("human", "why?")]),
        ({"input": HumanMessage("why?")}, [("human", "why?")]),
        ({"messages": TURNS}, [("human", "hi"), ("ai", "hello")]),
        ({"messages": [("user", "hi"), {"role": "ai", "content": "hello"}]},
         [("human", "hi"), ("ai", "hello")]),
        ({"input": "why?", "messages": TURNS},
         [("human", "hi"), ("ai", "hello"), ("human", "why?")]),
        ({"messages": None, "question": "why?"}, [("human", "why?")]),
        (TURNS, [("human", "hi"), ("ai", "hello")]),
        (ChatPromptValue(messages=TURNS), [("human", "hi"), ("ai", "hello")]),
    ],
)  # fmt: skip
def test_the_conversation_follows_then_the_question(
    exact: CacheFabric, given: Any, following: list[Any]
) -> None:
    assert rendered(exact, "Be brief.", given) == [("system", "Be brief."), *following]


@pytest.mark.parametrize("given", ["why?", {"question": "why?"}])
def test_a_question_that_the_prompt_asks_itself_does_not_follow(
    exact: CacheFabric, given: Any
) -> None:
    assert rendered(exact, "Answer: {question}", given) == [("system", "Answer: why?")]


def test_a_placeholder_is_where_the_messages_go(exact: CacheFabric) -> None:
    value = [
        {"role": "system", "content": "Be brief."},
        {"role": "placeholder", "content": "{messages}"},
        {"role": "user", "content": "{question}"},
    ]
    given = {"messages": TURNS, "question": "why?"}
    assert rendered(exact, value, given) == [
        ("system", "Be brief."),
        ("human", "hi"),
        ("ai", "hello"),
        ("human", "why?"),
    ]
    assert len(rendered(exact, value, {"question": "why?"})) == 2


def test_two_questions_are_refused(exact: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="question or input"):
        rendered(exact, "Be brief.", {"question": "why?", "input": "how?"})
    assert rendered(exact, "On {input}.", {"question": "why?", "input": "tax"}) == [
        ("system", "On tax."),
        ("human", "why?"),
    ]


@pytest.mark.parametrize("given", [{"messages": 3}, {"question": {"text": "why?"}}, 3])
def test_an_input_that_is_no_message_is_named(exact: CacheFabric, given: Any) -> None:
    with pytest.raises(ValidationError, match=r"expected text or messages, got (int|dict)"):
        rendered(exact, "Be brief.", given)


@pytest.mark.parametrize(
    "value",
    [{"text": "Be brief."}, 7, None, [], ["Be brief."], [{"role": "user"}]],
)
def test_a_context_that_is_no_prompt_is_named(exact: CacheFabric, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"{KEY}: expected text, or a list of messages"):
        rendered(exact, value)


def test_a_placeholder_without_one_name_is_refused(exact: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="placeholder"):
        rendered(exact, [{"role": "placeholder", "content": "{a} {b}"}])


# Which version


def test_the_next_call_uses_what_was_published(fabric: CacheFabric, runs: Runs) -> None:
    prompt = fabric.prompt(KEY)
    seen = []
    fabric.sync.set_context(KEY, "one")
    seen.append(prompt.invoke({}, config(runs)).to_string())
    fabric.sync.set_context(KEY, "two", change="cosmetic")
    seen.append(prompt.invoke({}, config(runs)).to_string())
    fabric.sync.set_context(KEY, "three")
    seen.append(prompt.invoke({}, config(runs)).to_string())
    fabric.sync.rollback_context(KEY, 1)
    seen.append(prompt.invoke({}, config(runs)).to_string())
    assert seen == ["System: one", "System: two", "System: three", "System: one"]
    assert [(mark["version"], mark["behaviour"]) for mark in runs.marks] == [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 1),
    ]


def test_another_process_hears_of_a_new_version(pair: Pair) -> None:
    one, two = pair
    one.sync.set_context(KEY, "one")
    prompt = two.prompt(KEY)
    assert prompt.invoke({}).to_string() == "System: one"
    one.sync.set_context(KEY, "two")
    eventually(lambda: prompt.invoke({}).to_string() == "System: two", "the new version")


async def test_a_prompt_is_read_from_the_store_at_its_first_use(pair: Pair) -> None:
    one, two = pair
    await one.set_context(KEY, "one")
    assert (await two.prompt(KEY).ainvoke({})).to_string() == "System: one"


def test_a_version_a_label_and_a_scope_can_be_asked_for(exact: CacheFabric) -> None:
    contexts = exact.sync
    contexts.set_context(KEY, "one")
    contexts.set_context(KEY, "two")
    contexts.label_context(KEY, "production", 1)
    contexts.set_context(KEY, "acme's", ContextScope.TENANT, tenant="acme")
    texts = [
        exact.prompt(KEY, **asked).invoke({}).to_string()
        for asked in (
            {},
            {"version": 1},
            {"label": "production"},
            {"tenant": "acme"},
            {"tenant": "other"},
            {"tenant": "acme", "scope": ContextScope.GLOBAL},
        )
    ]
    assert texts == [f"System: {t}" for t in ("two", "one", "one", "acme's", "two", "two")]


def test_an_unknown_key_version_or_label_is_not_found(exact: CacheFabric) -> None:
    with pytest.raises(NotFound, match="no context 'router:billing:system_prompt'"):
        exact.prompt(KEY).invoke({})
    exact.sync.set_context(KEY, "one")
    with pytest.raises(NotFound, match="no version 9"):
        exact.prompt(KEY, version=9).invoke({})
    with pytest.raises(NotFound, match="no label 'staging'"):
        exact.prompt(KEY, label="staging").invoke({})


async def test_an_unknown_key_is_not_found_in_a_loop(exact: CacheFabric) -> None:
    with pytest.raises(NotFound, match=KEY):
        await exact.prompt(KEY).ainvoke({})


def test_a_key_that_is_none_is_refused_at_once(exact: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="key"):
        exact.prompt("")


def test_a_dead_store_leaves_the_last_known_version(exact: CacheFabric) -> None:
    class Dying(MemoryStore):
        dead = False

        async def changes(self, *args: Any, **named: Any) -> Any:
            if self.dead:
                raise BackendUnavailable("memory", "changes", "is away")
            return await super().changes(*args, **named)

    store = Dying("n")
    fabric = create_cache_fabric("memory", store=store)
    fabric.sync.set_context(KEY, "one")
    store.dead = True
    assert fabric.prompt(KEY).invoke({}).to_string() == "System: one"
    other = create_cache_fabric("memory", store=store)
    with pytest.raises(BackendUnavailable):
        other.prompt(KEY).invoke({})
    other.sync.close()
    fabric.sync.close()


# In a chain


def marks_of(entry: Any) -> dict[str, Any]:
    return {"key": KEY, "version": entry.version, "behaviour": entry.behaviour}


def test_every_blocking_way_to_run_a_chain_carries_the_version(
    exact: CacheFabric, make_chat: MakeChat, runs: Runs
) -> None:
    entry = exact.sync.set_context(KEY, "Be brief.")
    chat = make_chat(cache=False)
    chain = exact.prompt(KEY) | chat
    assert chain.invoke({"input": "why?"}, config(runs)).content == "Paris."
    assert "".join(str(part.content) for part in chain.stream("why?", config(runs))) == "Paris."
    assert len(chain.batch(["why?", {"question": "how?"}], config(runs))) == 2
    assert runs.marks == [marks_of(entry)] * 4
    assert said(chat._script.calls[0]) == [("system", "Be brief."), ("human", "why?")]


async def test_every_awaited_way_to_run_a_chain_carries_the_version(
    exact: CacheFabric, make_chat: MakeChat, runs: Runs
) -> None:
    entry = await exact.set_context(KEY, "Be brief.")
    chat = make_chat(cache=False)
    chain = exact.prompt(KEY) | chat
    await chain.ainvoke({"input": "why?"}, config(runs))
    parts = [str(part.content) async for part in chain.astream("why?", config(runs))]
    assert "".join(parts) == "Paris."
    assert len(await chain.abatch(["why?", "how?"], config(runs))) == 2
    events = [event async for event in chain.astream_events("why?", config(runs), version="v2")]
    assert runs.marks == [marks_of(entry)] * 5
    (started,) = [event for event in events if event["event"] == "on_prompt_start"]
    assert started["metadata"]["cache_fabric_context"] == marks_of(entry)


def test_only_the_prompts_own_run_carries_the_version(
    exact: CacheFabric, make_chat: MakeChat, runs: Runs
) -> None:
    mine: RunnableConfig = {"callbacks": [runs], "metadata": {"user": "ann"}}
    exact.sync.set_context(KEY, "Be brief.")
    (exact.prompt(KEY) | make_chat(cache=False)).invoke("why?", mine)
    assert len(runs.marks) == 1
    exact.prompt(KEY).invoke("why?", mine)
    assert runs.users == ["ann", "ann"]
    assert mine["metadata"] == {"user": "ann"}


async def test_concurrent_runs_see_whole_versions(exact: CacheFabric) -> None:
    value = [{"role": "system", "content": "0"}, {"role": "user", "content": "0"}]
    await exact.set_context(KEY, value)
    prompt = exact.prompt(KEY)

    async def publish() -> None:
        for number in range(1, 20):
            await exact.set_context(KEY, [{**item, "content": str(number)} for item in value])

    async def read() -> None:
        for _ in range(50):
            system, user = (await prompt.ainvoke({})).to_messages()
            assert system.content == user.content

    await asyncio.gather(publish(), read(), read())


async def test_a_fabric_at_home_in_the_running_loop() -> None:
    async with create_cache_fabric("memory") as fabric:
        await fabric.set_context(KEY, "Be {tone}.")
        value = await fabric.prompt(KEY, tone="kind").ainvoke("why?")
        assert said(value.to_messages()) == [("system", "Be kind."), ("human", "why?")]
        with pytest.raises(SyncCallOnIOLoopError):
            fabric.prompt(KEY, tone="kind").invoke("why?")


def test_its_input_and_output_can_be_described(exact: CacheFabric, make_chat: MakeChat) -> None:
    chain = exact.prompt(KEY) | make_chat()
    assert chain.get_input_jsonschema()["title"]
    assert "FabricPrompt" in chain.get_graph().draw_mermaid()


def test_a_missing_langchain_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['langchain_core'] = None\n"
        "import cache_fabric\n"
        "try: cache_fabric.create_cache_fabric('memory').prompt('k')\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("MissingExtraError")
    assert "cache-fabric[langchain]" in done.stdout
