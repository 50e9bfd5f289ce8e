"""Whatever breaks, the call is made and its answer arrives, in time."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import acompletion, completion, enable
from cache_fabric.stores.memory import MemoryStore
from fake_openai import Upstream
from litellm_host.asking import aeventually, asked, eventually, litellm, lookups, stores
from servers import Server, free_ports, wheel_server

BUDGET = 0.1
NOISE = 0.4
"""Seconds that a busy machine may add to what is measured."""


class RaisingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise BackendUnavailable("memory", "get", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class HangingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None


@pytest.fixture(params=[RaisingStore, HangingStore])
def faulty(request: pytest.FixtureRequest) -> Iterator[CacheFabric]:
    store = request.param("faulty")
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store)
    yield fabric
    fabric.sync.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_store_that_raises_or_hangs(
    faulty: CacheFabric, upstream: Upstream, call: dict[str, Any], stream: bool
) -> None:
    enable(faulty)
    response = litellm.completion(messages=asked("hi"), stream=stream, **call)
    assert list(response) if stream else response.choices
    assert len(upstream.calls) == 1


async def test_the_same_without_blocking(
    faulty: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(faulty)
    assert (await litellm.acompletion(messages=asked("hi"), **call)).choices
    assert (await acompletion(faulty, messages=asked("ho"), **call)).choices
    assert completion(faulty, messages=asked("hu"), **call).choices
    assert len(upstream.calls) == 3


@pytest.mark.parametrize(
    ("broken", "counted"),
    [("read", "bypass"), ("lookup", "bypass"), ("answer_of", "miss"), ("body_of", "hit")],
)
async def test_a_bug_of_ours_lets_the_call_go_on_and_counts_it_once(
    exact: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    counted: str,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a prompt stands here")

    places = {
        "read": "cache_fabric.litellm._terms.Terms.read",
        "lookup": "cache_fabric.fabric.CacheFabric.lookup",
        "answer_of": "cache_fabric.litellm._desk.answer_of",
        "body_of": "cache_fabric.litellm._desk.body_of",
    }
    enable(exact)
    if broken == "body_of":
        await litellm.acompletion(messages=asked("hi"), **call)
        await aeventually(lambda: stores(events) == ["stored"])
        events.clear()
    monkeypatch.setattr(places[broken], fail)
    with caplog.at_level(logging.WARNING, "cache_fabric"):
        assert (await litellm.acompletion(messages=asked("hi"), **call)).choices
        await aeventually(lambda: "ZeroDivisionError" in caplog.text)
    if counted != "bypass":  # what it saved is taken back, or the call counts as failed
        await aeventually(lambda: stores(events))
    assert lookups(events) == [counted]
    assert "a prompt stands here" not in caplog.text


def test_a_closed_fabric(exact: CacheFabric, upstream: Upstream, call: dict[str, Any]) -> None:
    enable(exact)
    exact.sync.close()
    assert litellm.completion(messages=asked("hi"), **call).choices
    assert len(upstream.calls) == 1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    server = Server(wheel_server(), tmp_path / "redis", free_ports(1)[0])
    server.start()
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture
def on_redis(redis: Server) -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("redis", url=redis.url, policy=ExactOnly())
    fabric.sync.open()
    yield fabric
    fabric.sync.close()


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_redis_gives_back_what_another_process_would_find(
    redis: Server, on_redis: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(on_redis)
    first = litellm.completion(messages=asked("hi"), **call)
    on_redis.sync.flush()
    other = create_cache_fabric("redis", url=redis.url, policy=ExactOnly())
    enable(other)
    again = litellm.completion(messages=asked("hi"), **call)
    other.sync.close()
    assert again.choices[0].message.content == first.choices[0].message.content
    assert len(upstream.calls) == 1


def test_redis_hung_dead_and_back(
    redis: Server, on_redis: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    def ask(text: str) -> Any:
        return litellm.completion(messages=asked(text), **call)

    usual = max(seconds(partial(ask, text)) for text in ("warm up", "usual", "usual 2"))
    enable(on_redis)
    ask("kept")
    on_redis.sync.flush()
    redis.send(signal.SIGSTOP)
    assert seconds(lambda: ask("hung")) < usual + BUDGET + NOISE
    redis.end(signal.SIGKILL)
    assert seconds(lambda: ask("dead")) < usual + BUDGET + NOISE
    redis.start()
    ask("back")

    def is_kept() -> bool:
        """In the store, not only in this process."""
        on_redis._life().engine.hot.clear()
        return ask("back")._hidden_params.get("cache_hit") is True

    eventually(is_kept)
