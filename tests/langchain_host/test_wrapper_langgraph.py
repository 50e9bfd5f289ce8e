"""A wrapped model in a LangGraph thread: every turn is kept, and every turn streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from cache_fabric import CacheFabric
from cache_fabric.langchain import cached

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]
QUESTION: Any = {"messages": [("user", "capital?")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def make_graph(chat: StreamingChat) -> Any:
    """Make a graph whose node sees the last message only, so that each turn may hit."""

    def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [chat.invoke(state["messages"][-1:])]}

    async def anode(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await chat.ainvoke(state["messages"][-1:])]}

    from langchain_core.runnables import RunnableLambda

    graph = StateGraph(MessagesState)
    graph.add_node("model", RunnableLambda(node, anode))
    graph.add_edge(START, "model")
    return graph.compile(checkpointer=InMemorySaver())


def test_three_turns_with_one_answer_leave_six_messages(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    graph = make_graph(cached(plain, exact))
    for _ in range(3):
        state = graph.invoke(QUESTION, THREAD)
    assert plain.calls == 1
    assert [message.type for message in state["messages"]] == ["human", "ai"] * 3
    assert len({message.id for message in state["messages"]}) == 6


async def test_three_streamed_turns_leave_six_messages_and_each_streams(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=lambda _: AIMessage("Paris is the capital."))
    graph = make_graph(cached(plain, exact))
    for _ in range(3):
        parts = [
            part[0].text async for part in graph.astream(QUESTION, THREAD, stream_mode="messages")
        ]
        assert "".join(parts) == "Paris is the capital."
        assert len([part for part in parts if part]) == 4
    assert plain.calls == 1
    messages = graph.get_state(THREAD).values["messages"]
    assert [message.type for message in messages] == ["human", "ai"] * 3
    assert len({message.id for message in messages}) == 6
