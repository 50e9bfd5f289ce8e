"""Every way to run something leaves one execution, with the steps that ran in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from langchain_host.executions import COST, PRICES, Tracked, everything, names, steps

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]
PROMPT = ChatPromptTemplate.from_messages([("user", "{question}")])


@pytest.fixture
def exact() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), prices=PRICES)
    yield fabric
    fabric.sync.close()


@pytest.fixture
def tracked(exact: CacheFabric) -> Tracked:
    return Tracked(exact)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sun in {city}"


def ask_for_weather_once(messages: list[BaseMessage]) -> AIMessage:
    usage: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    if messages[-1].type == "tool":
        return AIMessage("It is sunny.", usage_metadata=usage)
    call: Any = {"name": "weather", "args": {"city": "Paris"}, "id": "call-1"}
    return AIMessage("", tool_calls=[call], usage_metadata=usage)


def make_agent(chat: CountingChat, **compiled: Any) -> Any:
    def model(state: MessagesState) -> dict[str, Any]:
        return {"messages": [chat.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode([weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(**compiled)


def test_a_chain_is_one_execution_with_its_steps(make_chat: MakeChat, tracked: Tracked) -> None:
    config, run_id = tracked.config(tags=["eu"], metadata={"team": "risk", "lc_versions": {"a": 1}})
    (PROMPT | make_chat() | StrOutputParser()).invoke({"question": "capital?"}, config)
    execution = tracked.of(run_id)
    state = dict(execution.state)
    assert execution.graph_name == "RunnableSequence"
    assert execution.tags == ("eu",)
    assert execution.status == "success"
    assert names(state) == ["ChatPromptTemplate", "CountingChat", "StrOutputParser"]
    assert state["nodes_executed"] == names(state)
    assert state["input"] == {"question": "capital?"}
    assert state["output"] == "Paris."
    assert state["metadata"] == {"team": "risk"}
    assert state["error"] is None
    (model,) = steps(state, "model")
    assert model["model"] == "fake-1"
    assert model["input"] == [{"type": "human", "content": "capital?"}]
    assert model["output"] == {"type": "ai", "content": "Paris."}
    assert model["tokens"]["input"] == 3
    assert model["tokens"]["output"] == 2
    assert model["cost"] == pytest.approx(COST)
    assert 0 <= model["seconds"] <= state["seconds"]
    assert model["parent"] is None


def test_a_model_alone_is_an_execution_with_one_step(make_chat: MakeChat, tracked: Tracked) -> None:
    config, run_id = tracked.config()
    make_chat().invoke("capital?", config)
    state = tracked.state(run_id)
    assert names(state) == ["CountingChat"]
    assert state["output"] == {"type": "ai", "content": "Paris."}
    assert state["cost"] == pytest.approx(COST)


def test_an_agent_keeps_its_nodes_in_order_and_its_tools(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    agent = make_agent(make_chat(ask_for_weather_once), checkpointer=InMemorySaver())
    config, run_id = tracked.config(configurable={"thread_id": "t-1", "password": "hunter2"})
    agent.invoke({"messages": [("user", "weather?")]}, config)
    state = tracked.state(run_id)
    assert state["nodes_executed"] == ["model", "tools", "model"]
    assert state["thread_id"] == "t-1"
    assert "hunter2" not in str(state)
    (called,) = steps(state, "tool")
    assert called["name"] == "weather"
    assert called["input"] == {"city": "Paris"}
    assert called["output"]["content"] == "sun in Paris"
    assert called["metadata"]["langgraph_node"] == "tools"
    assert state["tokens"]["total"] == 10
    assert state["cost"] == pytest.approx(2 * COST)
    by_id = {step["id"]: step for step in state["steps"]}
    assert by_id[called["parent"]]["name"] == "tools"


async def test_an_agent_in_a_loop_keeps_the_same(make_chat: MakeChat, tracked: Tracked) -> None:
    agent = make_agent(make_chat(ask_for_weather_once))
    config, run_id = tracked.config()
    await agent.ainvoke({"messages": [("user", "weather?")]}, config)
    state = tracked.state(run_id)
    assert state["nodes_executed"] == ["model", "tools", "model"]
    assert len(steps(state, "model")) == 2
    assert len(steps(state, "tool")) == 1


def test_parallel_branches_are_steps_of_one_execution(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    chat = make_chat(cache=False)
    config, run_id = tracked.config()
    RunnableParallel(one=PROMPT | chat, two=PROMPT | chat).invoke({"question": "?"}, config)
    state = tracked.state(run_id)
    assert len(everything(tracked.fabric)) == 1
    models = steps(state, "model")
    by_id = {step["id"]: step for step in state["steps"]}
    assert {by_id[model["parent"]]["tags"][0] for model in models} == {"map:key:one", "map:key:two"}
    assert state["cost"] == pytest.approx(2 * COST)


class Names(TypedDict, total=False):
    left: str
    right: str


def test_branches_of_a_graph_are_all_nodes_of_one_execution(tracked: Tracked) -> None:
    graph = StateGraph(Names)
    graph.add_node("a", lambda state: {"left": "a"})
    graph.add_node("b", lambda state: {"right": "b"})
    for node in ("a", "b"):
        graph.add_edge(START, node)
        graph.add_edge(node, END)
    config, run_id = tracked.config()
    graph.compile(name="fork").invoke({"left": ""}, config)
    execution = tracked.of(run_id)
    assert execution.graph_name == "fork"
    assert sorted(execution.state["nodes_executed"]) == ["a", "b"]


def test_a_graph_inside_a_graph_is_part_of_its_execution(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    inner = make_agent(make_chat(ask_for_weather_once))
    outer: Any = StateGraph(MessagesState)
    outer.add_node("expert", inner)
    outer.add_edge(START, "expert")
    config, run_id = tracked.config()
    outer.compile().invoke({"messages": [("user", "weather?")]}, config)
    state = tracked.state(run_id)
    assert len(everything(tracked.fabric)) == 1
    assert state["nodes_executed"] == ["expert", "model", "tools", "model"]
    assert state["cost"] == pytest.approx(2 * COST)


def test_a_graph_that_waits_for_a_person_is_interrupted_and_not_an_error(tracked: Tracked) -> None:
    def confirm(state: Names) -> Names:
        return {"left": interrupt("really?")}

    graph = StateGraph(Names)
    graph.add_node("confirm", confirm)
    graph.add_edge(START, "confirm")
    config, run_id = tracked.config(configurable={"thread_id": "1"})
    graph.compile(checkpointer=InMemorySaver()).invoke({"left": ""}, config)
    state = tracked.state(run_id)
    assert state["status"] == "interrupted"
    assert state["error"] is None


@pytest.mark.parametrize("way", ["stream", "astream", "astream_events"])
async def test_a_stream_is_one_execution_with_its_first_token(tracked: Tracked, way: str) -> None:
    chain = PROMPT | GenericFakeChatModel(messages=iter([AIMessage("a b c")])) | StrOutputParser()
    config, run_id = tracked.config()
    given = {"question": "?"}
    if way == "stream":
        assert len(list(chain.stream(given, config))) > 1
    elif way == "astream":
        assert len([part async for part in chain.astream(given, config)]) > 1
    else:
        _ = [event async for event in chain.astream_events(given, config, version="v2")]
    state = await asyncio.to_thread(tracked.state, run_id)
    assert state["status"] == "success"
    assert state["input"] == given
    assert state["output"] == "a b c"
    (model,) = steps(state, "model")
    assert model["output"]["content"] == "a b c"
    assert 0 <= model["first_token"] <= model["seconds"]
    assert model["tokens"] is None
    assert state["tokens"] is None
    assert state["cost"] is None


def test_the_newer_protocol_of_streams_tells_of_the_first_token_too(tracked: Tracked) -> None:
    before, after = uuid4(), uuid4()
    for run_id in (before, after):
        tracked.handler.on_chat_model_start({}, [[HumanMessage("?")]], run_id=run_id)
        tracked.handler.on_stream_event({"event": "message-start"}, run_id=run_id)
    tracked.handler.on_stream_event({"event": "content-block-delta"}, run_id=after)
    for run_id in (before, after):
        tracked.handler.on_llm_end(LLMResult(generations=[[]]), run_id=run_id)
    assert steps(tracked.state(before), "model")[0]["first_token"] is None
    assert steps(tracked.state(after), "model")[0]["first_token"] is not None


def test_an_abandoned_stream_leaves_its_model_unfinished_and_its_cost_unknown(
    tracked: Tracked,
) -> None:
    chain = PROMPT | GenericFakeChatModel(messages=iter([AIMessage("a b c")]))
    config, run_id = tracked.config()
    stream = chain.stream({"question": "?"}, config)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    state = tracked.state(run_id)
    (model,) = steps(state, "model")
    assert model["status"] == "unfinished"
    assert state["tokens"] is None
    assert state["cost"] is None


class Shelf(BaseRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document(f"on {query}", metadata={"page": 3})]


def test_a_retriever_is_a_step(tracked: Tracked) -> None:
    config, run_id = tracked.config()
    (RunnableLambda(lambda question: question) | Shelf()).invoke("tents", config)
    (found,) = steps(tracked.state(run_id), "retriever")
    assert found["input"] == "tents"
    assert found["output"][0]["page_content"] == "on tents"
    assert found["output"][0]["metadata"] == {"page": 3}


def test_a_name_and_tags_can_be_given(make_chat: MakeChat, exact: CacheFabric) -> None:
    tracked = Tracked(exact, graph="billing", tags=["nightly"])
    config, run_id = tracked.config(tags=["eu"], run_name="another name")
    make_chat().invoke("capital?", config)
    execution = tracked.of(run_id)
    assert execution.graph_name == "billing"
    assert execution.tags == ("nightly", "eu")


@pytest.mark.parametrize(("said", "kept"), [("order-1", True), ("", False), (7, False)])
def test_a_run_can_be_tracked_under_an_id_of_the_caller(
    make_chat: MakeChat, tracked: Tracked, said: Any, kept: bool
) -> None:
    config, own = tracked.config(metadata={"cache_fabric_execution": said})
    (PROMPT | make_chat()).invoke({"question": "Hi"}, config)
    assert tracked.only().execution_id == (said if kept else str(own))


def test_executions_can_be_searched(make_chat: MakeChat, tracked: Tracked) -> None:
    config, run_id = tracked.config(run_name="capitals")
    (PROMPT | make_chat()).invoke({"question": "capital?"}, config)
    tracked.fabric.sync.flush()
    (found,) = tracked.fabric.sync.search_executions("Paris", graph="capitals", status="success")
    assert found.execution_id == str(run_id)


def test_a_handler_of_an_inner_part_tracks_that_part(make_chat: MakeChat, tracked: Tracked) -> None:
    chat = make_chat().with_config(callbacks=[tracked.handler])
    (PROMPT | chat).invoke({"question": "capital?"})
    execution = tracked.only()
    assert execution.graph_name == "CountingChat"
    assert names(dict(execution.state)) == ["CountingChat"]
