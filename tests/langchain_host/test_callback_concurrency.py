"""Runs that go on at the same time keep their steps apart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from langchain_host.executions import Tracked, everything, names, steps

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]
PROMPT = ChatPromptTemplate.from_messages([("user", "{question}")])


@pytest.fixture
def exact() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly())
    yield fabric
    fabric.sync.close()


@pytest.fixture
def tracked(exact: CacheFabric) -> Tracked:
    return Tracked(exact)


def echo(messages: list[BaseMessage]) -> AIMessage:
    return AIMessage(f"re: {messages[-1].content}")


def assert_apart(tracked: Tracked, count: int) -> None:
    executions = everything(tracked.fabric)
    assert len(executions) == count
    questions = set()
    for execution in executions:
        state = dict(execution.state)
        question = state["input"]["question"]
        assert names(state) == ["ChatPromptTemplate", "CountingChat"]
        (model,) = steps(state, "model")
        assert model["input"][0]["content"] == question
        assert state["output"]["content"] == f"re: {question}"
        assert model["cache"]["outcome"] == "miss"
        questions.add(question)
    assert len(questions) == count
    assert tracked.handler.lost == {}


def make_chain(make_chat: MakeChat, agate: Any = None) -> Runnable[Any, Any]:
    return PROMPT | make_chat(echo, agate=agate)


async def test_two_hundred_runs_in_one_loop(make_chat: MakeChat, tracked: Tracked) -> None:
    everybody = asyncio.Barrier(200)

    async def meet() -> None:
        await everybody.wait()  # all of them are open at once

    chain = make_chain(make_chat, meet)
    await asyncio.gather(
        *(chain.ainvoke({"question": str(n)}, tracked.config()[0]) for n in range(200))
    )
    await asyncio.to_thread(assert_apart, tracked, 200)


def test_bare_threads(make_chat: MakeChat, tracked: Tracked) -> None:
    chain = make_chain(make_chat)
    together = threading.Barrier(8)

    def work(thread: int) -> None:
        together.wait()
        for n in range(10):
            chain.invoke({"question": f"{thread}-{n}"}, tracked.config()[0])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert_apart(tracked, 80)


def test_a_batch(make_chat: MakeChat, tracked: Tracked) -> None:
    chain = make_chain(make_chat)
    questions: list[Any] = [{"question": str(n)} for n in range(20)]
    chain.batch(questions, {"callbacks": [tracked.handler]})
    assert_apart(tracked, 20)


async def test_a_batch_in_a_loop(make_chat: MakeChat, tracked: Tracked) -> None:
    chain = make_chain(make_chat)
    questions: list[Any] = [{"question": str(n)} for n in range(20)]
    await chain.abatch(questions, {"callbacks": [tracked.handler]})
    await asyncio.to_thread(assert_apart, tracked, 20)
