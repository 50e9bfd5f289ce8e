"""Many readers of one live stream: one call, and each reads it while it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessageChunk,
)

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import cached
from langchain_host.streams import (
    PATIENCE,
    SENTENCE,
    await_until,
    calling,
    lookups,
    merged,
    sentence,
    stores,
    text_of,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


def test_fifty_threads_read_one_stream_while_it_runs(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    seen = threading.Semaphore(0)

    def step(number: int) -> None:
        if number == 3:  # goes on when everybody has two chunks
            assert all(seen.acquire(timeout=PATIENCE) for _ in range(50))

    plain = make_streaming(reply=sentence, step=step)
    chat = cached(plain, exact)

    def read(_: int) -> list[AIMessageChunk]:
        chunks = []
        for chunk in chat.stream("capital?"):
            chunks.append(chunk)
            if len(chunks) == 2:
                seen.release()
        return chunks

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(read, range(50)))
    assert plain.calls == 1
    assert {text_of(chunks) for chunks in answers} == {SENTENCE}
    assert len({chunks[0].id for chunks in answers}) == 50
    assert lookups(events) == {"miss": 1, "flight": 49}
    assert stores(events) == {"stored": 1}


async def test_fifty_tasks_read_one_stream_while_it_runs(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    seen = 0

    async def step(number: int) -> None:
        if number == 3:
            await await_until(lambda: seen == 50)

    plain = make_streaming(reply=sentence, astep=step)
    chat = cached(plain, exact)

    async def read() -> list[AIMessageChunk]:
        nonlocal seen
        chunks = []
        async for chunk in chat.astream("capital?"):
            chunks.append(chunk)
            seen += len(chunks) == 2
        return chunks

    answers = await asyncio.gather(*(read() for _ in range(50)))
    assert plain.calls == 1
    assert {text_of(chunks) for chunks in answers} == {SENTENCE}
    assert lookups(events) == {"miss": 1, "flight": 49}
    assert stores(events) == {"stored": 1}


def test_follower_is_told_at_the_end_what_it_read(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(reply=sentence), exact)
    leading, following = chat.stream("capital?"), chat.stream("capital?")
    first = next(leading)
    followed = [next(following)]
    led = [first, *leading]
    followed += following
    assert [chunk.text for chunk in followed if chunk.text] == [c.text for c in led if c.text]
    marks = [chunk.response_metadata["cache_fabric"] for chunk in followed[-1:]]
    assert [mark["tier"] for mark in marks] == ["flight"]
    assert merged(followed).usage_metadata == {
        **(merged(led).usage_metadata or {}),
        "total_cost": 0,
    }
    assert all("cache_fabric" not in chunk.response_metadata for chunk in led)


def test_answer_that_is_not_kept_is_still_shared_while_it_comes(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence, finish={"finish_reason": "length"})
    chat = cached(plain, exact)
    streams: list[Any] = [chat.stream("capital?") for _ in range(2)]
    for stream in streams:
        next(stream)
    for stream in streams:
        assert [chunk for chunk in stream if "cache_fabric" in chunk.response_metadata] == []
    assert plain.calls == 1
    assert lookups(events) == {"miss": 2}


def calls_of(chunks: list[AIMessageChunk]) -> list[Any]:
    return merged(chunks).tool_calls


def test_call_of_an_undeclared_tool_is_not_shared(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=calling("pay"), finish={"finish_reason": "tool_calls"})
    chat = cached(plain, exact)
    leading, following = chat.stream("pay!"), chat.stream("pay!")
    led = [next(leading)]
    followed = list(following)
    led += leading
    assert plain.calls == 2
    assert calls_of(led)[0]["name"] == calls_of(followed)[0]["name"] == "pay"
    assert lookups(events) == {"miss": 2}


def test_call_after_text_is_shared_under_another_id(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=calling("pay", "I pay."), finish={"finish_reason": "tool_calls"})
    chat = cached(plain, exact)
    leading, following = chat.stream("pay!"), chat.stream("pay!")
    led, followed = [next(leading)], [next(following)]
    led += leading
    followed += following
    assert plain.calls == 1
    (one,), (other,) = calls_of(led), calls_of(followed)
    assert one["args"] == other["args"] == {"city": "Zürich", "days": [1, 2.5]}
    assert one["id"] == "call_1"
    assert other["id"] != "call_1"


def test_call_of_a_declared_tool_is_shared(make_streaming: MakeStreaming) -> None:
    config = FabricConfig(repeatable_tools=frozenset({"look"}))
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        plain = make_streaming(reply=calling("look"), finish={"finish_reason": "tool_calls"})
        chat = cached(plain, fabric._fabric)
        leading, following = chat.stream("look!"), chat.stream("look!")
        led, followed = [next(leading)], [next(following)]
        led += leading
        followed += following
    assert plain.calls == 1
    assert calls_of(led)[0]["id"] != calls_of(followed)[0]["id"]


def test_what_one_reader_does_to_a_chunk_no_other_sees(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(reply=sentence), exact)
    leading, following = chat.stream("capital?"), chat.stream("capital?")
    for chunk in leading:
        chunk.content = "spoiled"
        chunk.response_metadata["finish_reason"] = "spoiled"
    assert text_of(list(following)) == SENTENCE
    assert chat.invoke("capital?").response_metadata["finish_reason"] == "stop"


async def test_readers_of_another_colour_wait_for_the_whole_answer(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    runs, go_on = asyncio.Event(), asyncio.Event()

    async def step(number: int) -> None:
        if number == 2:
            runs.set()
            await go_on.wait()

    plain = make_streaming(reply=sentence, astep=step)
    chat = cached(plain, exact)

    async def read() -> str:
        return text_of([chunk async for chunk in chat.astream("capital?")])

    leading = asyncio.create_task(read())
    await runs.wait()
    flights = exact._life().engine.flights
    await await_until(lambda: len(flights) == 1)
    others = [
        asyncio.create_task(asyncio.to_thread(lambda: text_of(list(chat.stream("capital?"))))),
        asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(read()))),
        asyncio.create_task(asyncio.to_thread(lambda: chat.invoke("capital?").text)),
    ]
    (flight,) = flights._flights.values()
    await await_until(lambda: len(flight.waiters) == 3)
    go_on.set()
    assert await asyncio.gather(leading, *others) == [SENTENCE] * 4
    assert plain.calls == 1
    assert lookups(events) == {"miss": 1, "flight": 3}


def test_upstream_runs_in_the_context_of_the_leader(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    request: ContextVar[str] = ContextVar("request", default="nobody's")
    seen: list[str] = []
    plain = make_streaming(reply=sentence, step=lambda _: seen.append(request.get()))
    chat = cached(plain, exact)
    leading, following = chat.stream("capital?"), chat.stream("capital?")
    request.set("the leader's")
    next(leading)
    request.set("the follower's")
    list(following)
    assert set(seen) == {"the leader's"}
