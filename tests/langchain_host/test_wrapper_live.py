"""Many readers of one live stream: one call, and each reads it while it comes."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import cached
from cache_fabric.langchain._hooks import desk_of

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]
SENTENCE = "Paris is the capital of France."
PATIENCE = 60.0


def sentence(_: list[BaseMessage]) -> AIMessage:
    return AIMessage(
        SENTENCE, usage_metadata={"input_tokens": 3, "output_tokens": 6, "total_tokens": 9}
    )


def text_of(chunks: list[AIMessageChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def usage_of(chunks: list[AIMessageChunk]) -> Any:
    return merged(chunks).usage_metadata


def lookups(events: list[Event]) -> Counter[str]:
    return Counter(e.tier or e.outcome for e in events if isinstance(e, LookupEvent))


def stores(events: list[Event]) -> Counter[str]:
    return Counter(e.outcome for e in events if isinstance(e, StoreEvent))


def readers_of(chat: StreamingChat) -> int:
    """Return how many callers share the one stream that is under way."""
    desk = desk_of(chat)
    assert desk is not None
    streams = [*desk.streaming._live._streams.values(), *desk.streaming._alive._streams.values()]
    return sum(stream.readers for stream in streams)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


async def await_until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0)


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
    marks = [chunk.response_metadata["cache_fabric"] for chunk in followed[-2:-1]]
    assert [mark["tier"] for mark in marks] == ["flight"]
    assert merged(followed).usage_metadata == {**usage_of(led), "total_cost": 0}
    assert all("cache_fabric" not in chunk.response_metadata for chunk in led)


def test_leader_that_leaves_hands_over(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    leading, following = chat.stream("capital?"), chat.stream("capital?")
    next(leading)
    first = next(following)
    leading.close()  # type: ignore[attr-defined]
    gc.collect()
    assert plain._script.closed == 0
    assert text_of([first, *following]) == SENTENCE
    assert plain.calls == 1
    assert lookups(events) == {"miss": 1, "flight": 1}
    assert stores(events) == {"stored": 1}
    assert chat.invoke("capital?").text == SENTENCE
    assert plain.calls == 1


async def test_cancelled_leader_hands_over(
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
    following = [asyncio.create_task(read()) for _ in range(3)]
    await await_until(lambda: readers_of(chat) == 4)
    leading.cancel()
    await asyncio.wait([leading])
    assert leading.cancelled()
    go_on.set()
    assert await asyncio.gather(*following) == [SENTENCE] * 3
    assert plain.calls == 1
    assert plain._script.closed == 0
    assert lookups(events) == {"miss": 1, "flight": 3}


def test_stream_that_all_have_left_is_closed_and_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    streams: list[Any] = [chat.stream("capital?") for _ in range(3)]
    for stream in streams:
        next(stream)
    for stream in streams:
        assert plain._script.closed == 0
        stream.close()
    gc.collect()
    assert plain._script.closed == 1
    assert lookups(events) == {"miss": 3}
    assert stores(events) == {"released": 3}
    assert chat.invoke("capital?").text == SENTENCE
    assert plain.calls == 2


def failing_once(at: int, ready: Callable[[], None]) -> Callable[[int], None]:
    """Fail the first call at a chunk, once it is ready for that."""
    failures = iter([ConnectionError("the provider is away")])

    def step(number: int) -> None:
        if number == at:
            for failure in failures:
                ready()
                raise failure

    return step


def test_when_the_leader_fails_before_its_first_chunk_one_takes_over(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    plain._script.step = failing_once(0, lambda: wait_until(lambda: readers_of(chat) == 8))

    def read(_: int) -> str:
        try:
            return text_of(list(chat.stream("capital?")))
        except ConnectionError:
            return "failed"

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(read, range(8)))
    assert answers == {"failed": 1, SENTENCE: 7}
    assert plain.calls == 2
    assert sum(lookups(events).values()) == 8


async def test_when_the_leader_fails_in_a_loop_one_takes_over(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    failures = iter([ConnectionError("the provider is away")])

    async def step(number: int) -> None:
        for failure in failures:
            await await_until(lambda: readers_of(chat) == 8)
            raise failure

    plain = make_streaming(reply=sentence, astep=step)
    chat = cached(plain, exact)

    async def read() -> str:
        return text_of([chunk async for chunk in chat.astream("capital?")])

    answers = await asyncio.gather(*(read() for _ in range(8)), return_exceptions=True)
    assert [type(a) for a in answers].count(ConnectionError) == 1
    assert answers.count(SENTENCE) == 7
    assert plain.calls == 2
    assert sum(lookups(events).values()) == 8


def test_when_a_stream_fails_later_all_its_readers_fail(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence, step=failing_once(3, lambda: None))
    chat = cached(plain, exact)
    streams: list[Any] = [chat.stream("capital?") for _ in range(3)]
    for stream in streams:
        next(stream)
    for stream in streams:
        with pytest.raises(ConnectionError):
            list(stream)
    assert plain.calls == 1
    assert lookups(events) == {"miss": 3}
    assert stores(events) == {"released": 3}


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


def calling(text: str, tool: str) -> Callable[[list[BaseMessage]], AIMessage]:
    call = {"name": tool, "args": {"amount": 3}, "id": "call_1", "type": "tool_call"}
    return lambda _: AIMessage(text, tool_calls=[call])


def calls_of(chunks: list[AIMessageChunk]) -> list[Any]:
    return merged(chunks).tool_calls


def test_call_of_an_undeclared_tool_is_not_shared(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=calling("", "pay"), finish={"finish_reason": "tool_calls"})
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
    plain = make_streaming(reply=calling("I pay.", "pay"), finish={"finish_reason": "tool_calls"})
    chat = cached(plain, exact)
    leading, following = chat.stream("pay!"), chat.stream("pay!")
    led, followed = [next(leading)], [next(following)]
    led += leading
    followed += following
    assert plain.calls == 1
    (one,), (other,) = calls_of(led), calls_of(followed)
    assert one["args"] == other["args"] == {"amount": 3}
    assert one["id"] == "call_1"
    assert other["id"] != "call_1"


def test_call_of_a_declared_tool_is_shared(make_streaming: MakeStreaming) -> None:
    config = FabricConfig(repeatable_tools=frozenset({"look"}))
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        plain = make_streaming(reply=calling("", "look"), finish={"finish_reason": "tool_calls"})
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


async def test_nothing_is_left_behind(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    chat = cached(make_streaming(reply=sentence), exact)
    for question in ("a?", "b?"):
        list(chat.stream(question))
        async for _ in chat.astream(question + "!"):
            break
    gc.collect()
    await await_until(lambda: readers_of(chat) == 0)
    await await_until(lambda: len(exact._life().engine.flights) == 0)
    await await_until(lambda: len(asyncio.all_tasks()) == 1)


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
