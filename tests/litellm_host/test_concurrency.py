"""Many identical calls make one call upstream; whoever ends without an answer frees the others."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import acompletion, completion
from fake_openai import Upstream
from litellm_host.asking import aeventually, asked, eventually, litellm, stores

Calls = dict[str, Any]


def open_calls() -> int:
    return len(litellm.cache.desk.calls)


def waiting(fabric: CacheFabric) -> int:
    flights = fabric._life().engine.flights
    return sum(len(flight.waiters) for flight in list(flights._flights.values()))


@pytest.mark.parametrize("stream", [False, True])
async def test_fifty_calls_make_one(
    enabled: CacheFabric, upstream: Upstream, call: Calls, stream: bool
) -> None:
    async def ask() -> str:
        response = await litellm.acompletion(messages=asked("hi"), stream=stream, **call)
        if stream:
            return "".join([c.choices[0].delta.content or "" async for c in response])
        return str(response.choices[0].message.content)

    texts = await asyncio.gather(*(ask() for _ in range(50)))
    assert len(set(texts)) == 1
    assert len(upstream.calls) == 1


def test_threads(enabled: CacheFabric, upstream: Upstream, call: Calls) -> None:
    gate = threading.Barrier(8)

    def ask() -> str:
        gate.wait()
        response = litellm.completion(messages=asked("hi"), **call)
        return str(response.choices[0].message.content)

    with ThreadPoolExecutor(8) as pool:
        texts = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert len(set(texts)) == 1
    assert len(upstream.calls) == 1


async def test_a_leader_that_fails_frees_its_followers(
    enabled: CacheFabric, upstream: Upstream, call: Calls
) -> None:
    upstream.hold()
    upstream.fail("500")
    calls = [
        asyncio.create_task(litellm.acompletion(messages=asked("hi"), num_retries=0, **call))
        for _ in range(5)
    ]
    await aeventually(lambda: waiting(enabled) == 4)
    upstream.release()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Exception) for result in results) == 1
    assert len(upstream.calls) == 2
    await aeventually(lambda: open_calls() == 0)


async def test_a_leader_that_is_cancelled_frees_its_followers(
    enabled: CacheFabric, upstream: Upstream, call: Calls
) -> None:
    upstream.hold()
    leader = asyncio.create_task(litellm.acompletion(messages=asked("hi"), **call))
    await aeventually(lambda: upstream.waiting == 1)
    follower = asyncio.create_task(litellm.acompletion(messages=asked("hi"), **call))
    await aeventually(lambda: waiting(enabled) == 1)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    del leader
    gc.collect()
    await aeventually(lambda: upstream.waiting == 2)
    upstream.release()
    assert (await follower).choices
    await aeventually(lambda: open_calls() == 0)


async def test_a_stream_that_is_left_frees_its_followers(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: Calls
) -> None:
    stream = await litellm.acompletion(messages=asked("one two three"), stream=True, **call)
    async for _ in stream:
        break
    follower = asyncio.create_task(litellm.acompletion(messages=asked("one two three"), **call))
    await aeventually(lambda: waiting(enabled) == 1)
    del stream
    gc.collect()
    assert (await follower).choices
    await aeventually(lambda: stores(events) == ["released", "stored"])
    assert len(upstream.calls) == 2


async def test_the_wrapper_makes_one_call_of_fifty(
    exact: CacheFabric, upstream: Upstream, call: Calls
) -> None:
    responses = await asyncio.gather(
        *(acompletion(exact, messages=asked("hi"), **call) for _ in range(50))
    )
    outcomes = [r._hidden_params["cache_fabric"]["outcome"] for r in responses]
    assert sorted(outcomes) == ["hit"] * 49 + ["miss"]
    assert len(upstream.calls) == 1


async def test_a_wrapped_leader_that_leaves_its_stream(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: Calls
) -> None:
    stream = await acompletion(exact, messages=asked("one two three"), stream=True, **call)
    await anext(stream)
    follower = asyncio.create_task(acompletion(exact, messages=asked("one two three"), **call))
    await aeventually(lambda: waiting(exact) == 1)
    await stream.aclose()
    assert (await follower).choices
    assert stores(events) == ["released", "stored"]
    assert len(upstream.calls) == 2


async def test_a_wrapped_leader_that_is_cancelled(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: Calls
) -> None:
    upstream.hold()
    leader = asyncio.create_task(acompletion(exact, messages=asked("hi"), **call))
    await aeventually(lambda: upstream.waiting == 1)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert stores(events) == ["released"]
    upstream.release()


def test_a_wrapped_stream_that_is_dropped(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: Calls
) -> None:
    stream = completion(exact, messages=asked("one two three"), stream=True, **call)
    next(stream)
    del stream
    gc.collect()
    eventually(lambda: stores(events) == ["released"])


def test_an_answer_that_cannot_be_read_frees_the_others(
    enabled: CacheFabric, events: list[Event], call: Calls
) -> None:
    asking = {**call, "messages": asked("hi"), "litellm_call_id": "one"}
    desk = litellm.cache.desk
    assert desk.lookup(asking) is None
    assert len(enabled._life().engine.flights) == 1
    desk.keep("no JSON", asking)
    eventually(lambda: len(enabled._life().engine.flights) == 0)
    assert open_calls() == 0
