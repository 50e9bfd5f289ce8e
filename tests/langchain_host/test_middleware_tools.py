"""A declared tool runs once for the same arguments; any other tool runs each time it is called."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentState, wrap_tool_call
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import (
    BaseTool,
    InjectedToolCallId,
    StructuredTool,
    ToolException,
    create_retriever_tool,
    tool,
)
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.types import Command, interrupt

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricMiddleware
from cache_fabric.langchain._tool_call import sees_more
from cache_fabric.stores.memory import MemoryStore
from langchain_host.agents import QUESTION, AgentChat, Ask, Heard, agent_chat, calls, says

Run = Callable[..., Any]


@dataclass
class Context:
    tenant: str | None = None
    user: str | None = None


class Tools:
    """Two tools that count their runs."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []
        self.sent: list[str] = []
        self.lock = threading.Lock()

        @tool
        def look_up(city: str, unit: str = "C") -> str:
            """Look the weather up."""
            with self.lock:
                self.looked_up.append(city)
            return f"Sunny in {city}."

        @tool
        def send(text: str) -> str:
            """Send a letter."""
            self.sent.append(text)
            return "Sent."

        self.look_up, self.send = look_up, send

    @property
    def both(self) -> list[BaseTool]:
        return [self.look_up, self.send]


@pytest.fixture
def tools() -> Tools:
    return Tools()


def calls_once(*wanted: tuple[str, dict[str, Any]]) -> Any:
    """Call these tools, and say so when they have answered."""

    def rule(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
        return says("Done.") if isinstance(messages[-1], ToolMessage) else calls(*wanted)

    return rule


def make_agent(
    chat: AgentChat, fabric: CacheFabric, tools: list[BaseTool], repeatable: Any, **options: Any
) -> Any:
    known = {name: options.pop(name) for name in ("tool_ttl", "tool_context") if name in options}
    middleware = FabricMiddleware(fabric, repeatable_tools=repeatable, **known)
    after = options.pop("after", [])
    return create_agent(chat, tools, middleware=[middleware, *after], **options)


def results(state: Any) -> list[Any]:
    return [m.content for m in state["messages"] if isinstance(m, ToolMessage)]


def test_an_agent_with_two_tools(exact: CacheFabric, ask: Ask, tools: Tools) -> None:
    """Every letter is sent, the weather is looked up once; the model says each time what to do."""
    rule = calls_once(("look_up", {"city": "Oslo"}), ("send", {"text": "hello"}))
    chat = agent_chat(rule)
    agent = make_agent(chat, exact, tools.both, ["look_up"])
    states = [ask(agent, QUESTION) for _ in range(5)]
    assert [results(state) for state in states] == [["Sunny in Oslo.", "Sent."]] * 5
    assert (len(tools.looked_up), len(tools.sent)) == (1, 5)
    assert chat.calls == 6  # the turn that sends is asked each time, the last turn once


def test_an_answer_that_calls_only_repeatable_tools_is_kept(
    exact: CacheFabric, ask: Ask, tools: Tools
) -> None:
    chat = agent_chat(calls_once(("look_up", {"city": "Oslo"})))
    agent = make_agent(chat, exact, tools.both, {"look_up"})
    states = [ask(agent, QUESTION) for _ in range(3)]
    assert [results(state) for state in states] == [["Sunny in Oslo."]] * 3
    assert (chat.calls, len(tools.looked_up)) == (2, 1)
    said = [m for state in states for m in state["messages"] if isinstance(m, AIMessage)]
    asked = [call["id"] for message in said for call in message.tool_calls]
    answered = [m.tool_call_id for s in states for m in s["messages"] if isinstance(m, ToolMessage)]
    assert asked == answered
    assert len(set(asked)) == 3


def test_the_results_of_tools_save_no_tokens(exact: CacheFabric, ask: Ask, tools: Tools) -> None:
    chat = agent_chat(calls_once(("look_up", {"city": "Oslo"})))
    agent = make_agent(chat, exact, tools.both, {"look_up"})
    for _ in range(2):
        ask(agent, QUESTION)
    rows = {row["name"]: row for row in exact.sync.get_metrics()["savings"]["model"]}
    assert (rows["tool:look_up"]["hits"], rows["tool:look_up"]["tokens_avoided"]) == (1, 0)
    assert rows["agent-1"]["tokens_avoided"] > 0
    assert "tool:look_up" not in exact.sync.get_metrics()["unpriced_models"]


def test_calls_may_be_repeatable_and_results_not(tools: Tools) -> None:
    """`FabricConfig.repeatable_tools` is about what the model says, not about what a tool gives."""
    config = FabricConfig(repeatable_tools=frozenset({"look_up"}))
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    chat = agent_chat(calls_once(("look_up", {"city": "Oslo"})))
    agent = make_agent(chat, fabric, tools.both, ())
    for _ in range(3):
        agent.invoke(QUESTION)
    assert (chat.calls, len(tools.looked_up)) == (2, 3)
    fabric.sync.close()


@pytest.fixture
def run(exact: CacheFabric, ask: Ask) -> Run:
    """Call one tool through an agent, and return its message."""

    def once(called: BaseTool, args: dict[str, Any], repeatable: Any = None, **options: Any) -> Any:
        known = options.pop("known", {})
        config = options.pop("config", None)
        names = [called.name] if repeatable is None else repeatable
        fabric = options.pop("fabric", exact)
        asked = {"messages": [("user", f"{called.name} {args}")], **options.pop("state", {})}
        agent = make_agent(
            agent_chat(calls_once((called.name, args))), fabric, [called], names, **options
        )
        state = ask(agent, asked, config, **known)
        return next(m for m in state["messages"] if isinstance(m, ToolMessage))

    return once


def test_other_arguments_are_another_call(run: Run, tools: Tools) -> None:
    for args in ({"city": "Oslo"}, {"city": "Oslo", "unit": "F"}, {"city": "oslo"}) * 2:
        run(tools.look_up, args)
    assert len(tools.looked_up) == 3


def test_another_definition_is_another_tool(run: Run) -> None:
    ran = []

    def made(description: str, **more: Any) -> StructuredTool:
        def look_up(city: str) -> str:
            ran.append(city)
            return "Sunny."

        return StructuredTool.from_function(look_up, description=description, **more)

    for known in (made("a"), made("b"), made("a", name="other"), made("a")):
        run(known, {"city": "Oslo"})
    assert len(ran) == 3


@pytest.mark.parametrize("field", ["tenant", "user"])
def test_other_people_do_not_share_results(run: Run, tools: Tools, field: str) -> None:
    for name in ("one", "two", "one", None):
        known = {"context": Context(**{field: name})}
        run(tools.look_up, {"city": "Oslo"}, known=known, context_schema=Context)
    assert len(tools.looked_up) == 3


def test_a_function_says_which_tools_are_repeatable(run: Run, tools: Tools) -> None:
    for _ in range(2):
        run(
            tools.look_up, {"city": "Oslo"}, repeatable=lambda known: "weather" in known.description
        )
        run(tools.send, {"text": "x"}, repeatable=lambda known: "weather" in known.description)
    assert (len(tools.looked_up), len(tools.sent)) == (1, 2)


def test_callbacks_hear_of_a_hit(run: Run, tools: Tools) -> None:
    heard = Heard()
    for _ in range(2):
        run(tools.look_up, {"city": "Oslo"}, config={"callbacks": [heard]})
    hit = next(hit for hit in heard.hits if hit["kind"] == "tool")
    assert (hit["outcome"], hit["name"]) == ("hit", "look_up")
    assert hit["tier"] == "hot"


def test_a_result_is_gone_after_its_time(ask: Ask, run: Run, tools: Tools) -> None:
    now = [1_000.0]
    config = FabricConfig(ttl_jitter=0, hot_ttl=1e-9, exact_timeout=30)
    store = MemoryStore("n", clock=lambda: now[0])
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store, config=config)
    for step in (0, 59, 2):
        now[0] += step
        run(tools.look_up, {"city": "Oslo"}, tool_ttl=60, fabric=fabric)
        fabric.sync.flush()
    assert len(tools.looked_up) == 2
    fabric.sync.close()


# What is not kept


def test_a_tool_that_fails_runs_again(run: Run) -> None:
    ran = []

    @tool
    def look_up(city: str) -> str:
        """Look the weather up."""
        ran.append(city)
        raise ToolException

    look_up.handle_tool_error = True
    for _ in range(2):
        assert run(look_up, {"city": "Oslo"}).status == "error"
    assert len(ran) == 2


def test_an_exception_of_a_tool_is_the_agents(exact: CacheFabric, events: list[Event]) -> None:
    ran = []

    @tool
    def look_up(city: str) -> str:
        """Look the weather up."""
        ran.append(city)
        raise ZeroDivisionError

    agent = make_agent(
        agent_chat(calls_once(("look_up", {"city": "Oslo"}))), exact, [look_up], ["look_up"]
    )
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            agent.invoke(QUESTION)
    assert len(ran) == 2
    stores = [e.outcome for e in events if isinstance(e, StoreEvent) and "tool" in e.model]
    assert stores == ["released"] * 2


def test_a_command_is_not_kept(run: Run) -> None:
    ran = []

    @tool
    def look_up(city: str, call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Look the weather up."""
        ran.append(city)
        return Command(update={"messages": [ToolMessage("Sunny.", tool_call_id=call_id)]})

    for _ in range(2):
        assert run(look_up, {"city": "Oslo"}, tool_context=lambda _: None).content == "Sunny."
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("artifact", "runs"),
    [({"rows": [1, 2.5, None, True]}, 1), (None, 1), (object(), 2), ((1, 2), 2), ({1: 2}, 2)],
)
def test_an_artifact_is_kept_if_it_comes_back_as_it_was(run: Run, artifact: Any, runs: int) -> None:
    ran = []

    @tool(response_format="content_and_artifact")
    def look_up(city: str) -> tuple[str, Any]:
        """Look the weather up."""
        ran.append(city)
        return "Sunny.", artifact

    for _ in range(2):
        message = run(look_up, {"city": "Oslo"})
        assert (message.content, message.artifact) == ("Sunny.", artifact)
    assert len(ran) == runs


def test_content_blocks_come_back(run: Run) -> None:
    blocks = [
        {"type": "text", "text": "Sunny."},
        {"type": "image", "base64": "eA==", "mime_type": "a/b"},
    ]
    ran = []

    @tool
    def look_up(city: str) -> list[dict[str, Any]]:
        """Look the weather up."""
        ran.append(city)
        return blocks

    assert [run(look_up, {"city": "Oslo"}).content for _ in range(2)] == [blocks] * 2
    assert len(ran) == 1


def test_an_interrupt_is_the_agents_and_keeps_nothing(exact: CacheFabric) -> None:
    ran = []

    @tool
    def look_up(city: str) -> str:
        """Look the weather up."""
        ran.append(city)
        return str(interrupt("which Oslo?"))

    for answer in ("Norway", "Minnesota"):
        agent = make_agent(
            agent_chat(calls_once(("look_up", {"city": "Oslo"}))),
            exact,
            [look_up],
            ["look_up"] if answer == "Norway" else (),
            checkpointer=InMemorySaver(),
        )
        thread: Any = {"configurable": {"thread_id": "1"}}
        assert "__interrupt__" in agent.invoke(QUESTION, thread)
        assert results(agent.invoke(Command(resume=answer), thread)) == [answer]


def test_no_expired_result_stands_in_for_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FabricConfig(ttl=60, ttl_jitter=0, stale_if_error=3600, exact_timeout=30)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    real, later = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + later[0])

    @tool
    def look_up(city: str) -> str:
        """Look the weather up."""
        return str(interrupt("which Oslo?")) if later[0] else "Sunny."

    chat = agent_chat(calls_once(("look_up", {"city": "Oslo"})))
    saver = InMemorySaver()
    agent = make_agent(chat, fabric, [look_up], ["look_up"], checkpointer=saver)
    assert results(agent.invoke(QUESTION, {"configurable": {"thread_id": "1"}})) == ["Sunny."]
    later[0] = 600.0
    assert "__interrupt__" in agent.invoke(QUESTION, {"configurable": {"thread_id": "2"}})
    fabric.sync.close()


# What a tool sees


class Filed(AgentState[Any]):
    folder: str


def seeing() -> dict[str, BaseTool]:
    """Tools that are given more than their arguments, each in another way."""

    @tool
    def state(x: int, seen: Annotated[dict[str, Any], InjectedState]) -> str:
        """Do."""
        return ""

    @tool
    def store(x: int, seen: Annotated[Any, InjectedStore()]) -> str:
        """Do."""
        return ""

    @tool
    def runtime(x: int, runtime: ToolRuntime) -> str:
        """Do."""
        return ""

    @tool
    def config(x: int, config: RunnableConfig) -> str:
        """Do."""
        return ""

    @tool
    def call_id(x: int, seen: Annotated[str, InjectedToolCallId]) -> str:
        """Do."""
        return ""

    def hidden(x: int, seen: str = "") -> str:
        return seen

    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    untold = StructuredTool(name="untold", description="Do.", args_schema=schema, func=hidden)
    return {known.name: known for known in (state, store, runtime, config, call_id, untold)}


@pytest.mark.parametrize("known", seeing().values(), ids=seeing())
def test_a_tool_that_sees_more_than_its_arguments(known: BaseTool) -> None:
    assert sees_more(known)


def plain() -> dict[str, BaseTool]:
    class Own(BaseTool):
        name: str = "own"
        description: str = "Do."

        def _run(self, x: int, run_manager: Any = None) -> str:
            return ""

    def counted(x: int, **more: Any) -> str:
        return ""

    documents = InMemoryVectorStore(DeterministicFakeEmbedding(size=4)).as_retriever()
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    found = (
        Own(),
        StructuredTool(name="by_schema", description="Do.", args_schema=schema, func=counted),
        create_retriever_tool(documents, "retriever", "Find."),
        Tools().look_up,
    )
    return {known.name: known for known in found}


@pytest.mark.parametrize("known", plain().values(), ids=plain())
def test_a_tool_that_sees_its_arguments_only(known: BaseTool) -> None:
    assert not sees_more(known)


def test_a_tool_that_sees_state_is_not_answered_unless_it_is_said_what(
    run: Run, events: list[Event]
) -> None:
    ran = []

    @tool
    def look_up(name: str, folder: Annotated[str, InjectedState("folder")]) -> str:
        """Look a file up."""
        ran.append(folder)
        return f"{folder}/{name}"

    def asked(folder: str, **options: Any) -> Any:
        given = {"state": {"folder": folder}, "state_schema": Filed, **options}
        return run(look_up, {"name": "x"}, **given).content

    assert [asked(folder) for folder in ("a", "b", "a")] == ["a/x", "b/x", "a/x"]
    assert len(ran) == 3
    reasons = {e.reason for e in events if isinstance(e, LookupEvent) and e.outcome == "bypass"}
    assert reasons == {"a tool that sees more than its arguments, and no tool_context"}
    ran.clear()
    seen: Any = {"tool_context": lambda request: request.state["folder"]}
    assert [asked(folder, **seen) for folder in ("a", "b", "a")] == ["a/x", "b/x", "a/x"]
    assert ran == ["a", "b"]


def test_calls_of_one_message_share_one_run(exact: CacheFabric, tools: Tools) -> None:
    again = [("look_up", {"city": "Oslo"})] * 4
    agent = make_agent(agent_chat(calls_once(*again)), exact, tools.both, ["look_up"])
    assert results(agent.invoke(QUESTION)) == ["Sunny in Oslo."] * 4
    assert len(tools.looked_up) == 1


def test_a_tool_of_another_middleware_runs(exact: CacheFabric, tools: Tools) -> None:
    """What a middleware inside answers is kept like the tool's own result."""

    @wrap_tool_call
    def answer(request: Any, handler: Any) -> Any:
        tools.looked_up.append("inside")
        return ToolMessage("Rain.", tool_call_id=request.tool_call["id"])

    chat = agent_chat(calls_once(("look_up", {"city": "Oslo"})))
    agent = make_agent(chat, exact, tools.both, ["look_up"], after=[answer])
    assert [results(agent.invoke(QUESTION)) for _ in range(2)] == [["Rain."]] * 2
    assert tools.looked_up == ["inside"]
