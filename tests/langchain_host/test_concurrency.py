"""Many callers of one question: one of them calls the model, whoever they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricCache

if TYPE_CHECKING:
    from tests.langchain.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


class Crowd(FabricCache):
    """Tells when as many lookups have begun as there are callers."""

    def __init__(self, fabric: CacheFabric, size: int) -> None:
        super().__init__(fabric)
        self._size = size
        self._lock = threading.Lock()
        self.complete = threading.Event()
        self.acomplete = asyncio.Event()

    def _arrive(self) -> bool:
        with self._lock:
            self._size -= 1
            return self._size == 0

    def lookup(self, prompt: str, llm_string: str) -> Any:
        if self._arrive():
            self.complete.set()
        return super().lookup(prompt, llm_string)

    async def alookup(self, prompt: str, llm_string: str) -> Any:
        if self._arrive():
            self.acomplete.set()
        return await super().alookup(prompt, llm_string)


async def test_fifty_tasks_make_one_call(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 50)

    async def gate() -> None:
        await crowd.acomplete.wait()

    chat = make_chat(cache=crowd, agate=gate)
    answers = await asyncio.gather(*(chat.ainvoke("capital?") for _ in range(50)))
    assert chat.calls == 1
    assert {answer.text for answer in answers} == {"Paris."}
    assert len({answer.id for answer in answers}) == 50


def test_twenty_threads_make_one_call(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 20)
    chat = make_chat(cache=crowd, gate=lambda: assert_set(crowd.complete))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: chat.invoke("capital?"), range(20)))
    assert chat.calls == 1
    assert {answer.text for answer in answers} == {"Paris."}


def test_threads_and_loops_share_a_flight(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 8)

    async def gate() -> None:
        await asyncio.to_thread(assert_set, crowd.complete)

    chat = make_chat(cache=crowd, gate=lambda: assert_set(crowd.complete), agate=gate)

    def call(number: int) -> BaseMessage:
        if number % 2:
            return chat.invoke("capital?")
        return asyncio.run(chat.ainvoke("capital?"))

    crowd.acomplete.set = crowd.complete.set  # type: ignore[method-assign]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert chat.calls == 1
    assert {answer.text for answer in answers} == {"Paris."}


async def test_when_the_first_caller_fails_the_others_go_on(make_chat: MakeChat) -> None:
    config = FabricConfig(flight_timeout=0.2)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    crowd = Crowd(fabric, 5)
    failing = iter([True])

    async def gate() -> None:
        await crowd.acomplete.wait()
        if next(failing, False):
            raise ConnectionError("the model is away")

    chat = make_chat(cache=crowd, agate=gate)
    done = await asyncio.gather(
        *(chat.ainvoke("capital?") for _ in range(5)), return_exceptions=True
    )
    await fabric.aclose()
    assert [type(result) for result in done].count(ConnectionError) == 1
    assert [result.text for result in done if isinstance(result, AIMessage)] == ["Paris."] * 4


async def test_a_caller_that_leaves_disturbs_nobody(
    make_chat: MakeChat, exact: CacheFabric
) -> None:
    crowd = Crowd(exact, 3)
    called, go_on = asyncio.Event(), asyncio.Event()

    async def gate() -> None:
        called.set()
        await go_on.wait()

    chat = make_chat(cache=crowd, agate=gate)
    calls = [asyncio.create_task(chat.ainvoke("capital?")) for _ in range(3)]
    await called.wait()
    await crowd.acomplete.wait()
    calls[2].cancel()
    go_on.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert chat.calls == 1
    assert [isinstance(result, asyncio.CancelledError) for result in done] == [False, False, True]


def assert_set(event: threading.Event) -> None:
    if not event.wait(60):
        pytest.fail("the other callers never came")
