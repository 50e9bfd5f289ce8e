"""Plain calls of a wrapped model that meet: one call, whose failure is nobody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import cached
from langchain_host.streams import (
    raising,
    stores,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


class Gate:
    """Opens when so many callers have looked up."""

    def __init__(self, fabric: CacheFabric, callers: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._missing = threading.Semaphore(0)
        self._callers = callers
        life = fabric._life()
        claim = life.engine.flights.claim

        async def counted(ticket: Any) -> Any:
            self._missing.release()
            return await claim(ticket)

        monkeypatch.setattr(life.engine.flights, "claim", counted)

    def __call__(self) -> None:
        for _ in range(self._callers):
            if not self._missing.acquire(timeout=60):
                pytest.fail("the other callers never came")

    async def wait(self) -> None:
        await asyncio.to_thread(self)


def test_fifty_threads_make_one_call(
    make_streaming: MakeStreaming, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_streaming(gate=Gate(exact, 50, monkeypatch))
    chat = cached(plain, exact)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: chat.invoke("capital?"), range(50)))
    assert plain.calls == 1
    assert [answer.text for answer in answers] == ["Paris."] * 50
    assert len({answer.id for answer in answers}) == 50


async def test_fifty_tasks_make_one_call(
    make_streaming: MakeStreaming, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_streaming(agate=Gate(exact, 50, monkeypatch).wait)
    chat = cached(plain, exact)
    answers = await chat.abatch(["capital?"] * 50)
    assert plain.calls == 1
    assert [answer.text for answer in answers] == ["Paris."] * 50


@pytest.mark.parametrize("error", [ConnectionError("away"), KeyboardInterrupt()])
def test_failure_is_the_callers_and_frees_the_others(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event], error: BaseException
) -> None:
    plain = make_streaming(reply=raising(error))
    with pytest.raises(type(error)):
        cached(plain, exact).invoke("capital?")
    assert stores(events) == {"released": 1}


async def test_cancelled_call_frees_the_others(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    called = asyncio.Event()

    async def hang() -> None:
        called.set()
        await asyncio.Event().wait()

    leaving = cached(make_streaming(agate=hang), exact)
    task = asyncio.create_task(leaving.ainvoke("capital?"))
    await called.wait()
    staying = cached(make_streaming(), exact)
    following = asyncio.create_task(staying.ainvoke("capital?"))
    task.cancel()
    async with asyncio.timeout(5):  # a lease of an unknown model lasts 15 s
        assert (await following).text == "Paris."


def test_expired_answer_stands_in_for_a_failed_call(make_streaming: MakeStreaming) -> None:
    config = FabricConfig(ttl=1e-6, stale_if_error=60.0)
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        plain = make_streaming()
        chat = cached(plain, fabric._fabric)
        chat.invoke("capital?")
        plain._script.reply = raising(ConnectionError("away"))
        standing_in = chat.invoke("capital?")
        assert standing_in.text == "Paris."
        assert standing_in.response_metadata["cache_fabric"]["stale"] is True
        streamed = list(chat.stream("capital?"))
        assert "".join(chunk.text for chunk in streamed) == "Paris."
