"""LangChain under OpenTelemetry: whatever the colour, spans hang below the span of the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation import otel_names as names
from cache_fabric.langchain import FabricCallbackHandler, cached
from instrumentation.conftest import Told
from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., StreamingChat]


@pytest.fixture
def told(exact: CacheFabric) -> Iterator[Told]:
    made = Told(exact)
    made.start()
    yield made
    made.stop()


def stream(chat: Any, text: str) -> None:
    assert "".join(chunk.text for chunk in chat.stream(text))


async def astream(chat: Any, text: str) -> None:
    assert "".join([chunk.text async for chunk in chat.astream(text)])


@pytest.mark.parametrize(
    "ask",
    [
        lambda chat: chat.invoke("a?"),
        lambda chat: stream(chat, "a?"),
        lambda chat: asyncio.run(chat.ainvoke("a?")),
        lambda chat: asyncio.run(astream(chat, "a?")),
        lambda chat: chat.batch(["a?"]),
    ],
    ids=["invoke", "stream", "ainvoke", "astream", "batch"],
)
def test_a_wrapped_model_tells_of_its_lookups_and_calls_below_the_callers_span(
    told: Told, make_streaming: MakeStreaming, ask: Callable[[Any], None]
) -> None:
    chat = cached(make_streaming(), told.fabric)
    with told.tracer.start_as_current_span("mine") as mine:
        ask(chat)
        ask(chat)
    outcomes = [
        s.attributes[names.CACHE_RESULT] for s in told.spans("cache_lookup") if s.attributes
    ]
    assert outcomes == ["miss", "hit"]
    assert len(told.spans("chat")) == 1
    mine_id = mine.get_span_context().span_id
    ours = [*told.spans("cache_lookup"), *told.spans("chat")]
    assert {span.parent and span.parent.span_id for span in ours} == {mine_id}


def test_a_tracked_run_is_a_span_with_its_model_step_below_it(
    told: Told, make_streaming: MakeStreaming
) -> None:
    chat = cached(make_streaming(), told.fabric)
    chain = chat | (lambda message: message.text)
    with told.tracer.start_as_current_span("mine") as mine:
        handler = FabricCallbackHandler(told.fabric, graph="support")
        chain.invoke("a?", {"callbacks": [handler]})
    run = told.span("invoke_workflow support")
    assert run.parent is not None
    assert run.parent.span_id == mine.get_span_context().span_id
    [step] = told.spans("model")
    assert step.parent is not None
    assert step.parent.span_id == run.context.span_id
    assert (step.attributes or {})[names.CACHE_RESULT] == "miss"
    assert (run.start_time or 0) <= (step.start_time or 0) <= (step.end_time or 0)
