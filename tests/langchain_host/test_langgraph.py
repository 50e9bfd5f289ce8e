"""A LangGraph thread keeps every answer: it replaces messages of equal id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


QUESTION: Any = {"messages": [("user", "capital?")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def make_graph(chat: CountingChat) -> Any:
    """Make a graph whose node sees the last message only, so that each turn may hit."""

    def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [chat.invoke(state["messages"][-1:])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", node)
    graph.add_edge(START, "model")
    return graph.compile(checkpointer=InMemorySaver())


def test_three_turns_with_one_answer_leave_six_messages(make_chat: MakeChat) -> None:
    chat = make_chat()
    graph = make_graph(chat)
    for _ in range(3):
        state = graph.invoke(QUESTION, THREAD)
    assert chat.calls == 1
    assert [message.type for message in state["messages"]] == ["human", "ai"] * 3
    assert len({message.id for message in state["messages"]}) == 6


def test_every_turn_streams_its_answer(make_chat: MakeChat) -> None:
    chat = make_chat()
    graph = make_graph(chat)
    for _ in range(3):
        streamed = [part[0].text for part in graph.stream(QUESTION, THREAD, stream_mode="messages")]
        assert streamed == ["Paris."]
    assert chat.calls == 1
