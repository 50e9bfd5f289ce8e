"""A live stream outlives its leader, and nobody's end is another one's."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import cached
from langchain_host.streams import (
    SENTENCE,
    await_until,
    lookups,
    readers_of,
    sentence,
    stores,
    text_of,
    wait_until,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


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
