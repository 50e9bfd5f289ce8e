"""Many callers of one question: one of them calls the model, whoever they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import Generation

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricCache

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


class Crowd(FabricCache):
    """Tells when as many lookups have begun as there are callers."""

    def __init__(self, fabric: CacheFabric, size: int) -> None:
        super().__init__(fabric)
        self._size = size
        self._lock = threading.Lock()
        self._complete = threading.Event()

    def lookup(self, prompt: str, llm_string: str) -> Any:
        self._arrive()
        return super().lookup(prompt, llm_string)

    async def alookup(self, prompt: str, llm_string: str) -> Any:
        self._arrive()
        return await super().alookup(prompt, llm_string)

    def wait(self) -> None:
        if not self._complete.wait(60):
            pytest.fail("the other callers never came")

    async def await_all(self) -> None:
        await asyncio.to_thread(self.wait)

    def _arrive(self) -> None:
        with self._lock:
            self._size -= 1
            if self._size == 0:
                self._complete.set()


async def test_fifty_tasks_make_one_call(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 50)
    chat = make_chat(cache=crowd, agate=crowd.await_all)
    answers = await asyncio.gather(*(chat.ainvoke("capital?") for _ in range(50)))
    assert chat.calls == 1
    assert {answer.text for answer in answers} == {"Paris."}
    assert len({answer.id for answer in answers}) == 50


def test_twenty_threads_make_one_call(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 20)
    chat = make_chat(cache=crowd, gate=crowd.wait)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: chat.invoke("capital?"), range(20)))
    assert chat.calls == 1
    assert {answer.text for answer in answers} == {"Paris."}


def test_threads_and_loops_share_a_flight(make_chat: MakeChat, exact: CacheFabric) -> None:
    crowd = Crowd(exact, 8)
    chat = make_chat(cache=crowd, gate=crowd.wait, agate=crowd.await_all)

    def call(number: int) -> BaseMessage:
        if number % 2:
            return chat.invoke("capital?")
        return asyncio.run(chat.ainvoke("capital?"))

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
        await crowd.await_all()
        if next(failing, False):
            raise ConnectionError("the model is away")

    chat = make_chat(cache=crowd, agate=gate)
    done = await asyncio.gather(
        *(chat.ainvoke("capital?") for _ in range(5)), return_exceptions=True
    )
    await fabric.aclose()
    assert [type(result) for result in done].count(ConnectionError) == 1
    assert [result.text for result in done if isinstance(result, AIMessage)] == ["Paris."] * 4


async def test_a_follower_that_leaves_disturbs_nobody(exact: CacheFabric) -> None:
    crowd = Crowd(exact, 3)
    assert await crowd.alookup("prompt", "settings") is None
    leaving, staying = (asyncio.create_task(crowd.alookup("prompt", "settings")) for _ in range(2))
    await crowd.await_all()
    leaving.cancel()
    await asyncio.wait([leaving])
    answer = [Generation(text="Paris.")]
    await crowd.aupdate("prompt", "settings", answer)
    assert await staying == answer
    assert leaving.cancelled()


async def test_a_failed_call_of_a_batch_frees_its_followers_at_once(make_chat: MakeChat) -> None:
    failures = iter([ConnectionError("the provider is down")])

    def reply(_: list[BaseMessage]) -> AIMessage:
        for failure in failures:
            raise failure
        return AIMessage("Paris.")

    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        chat = make_chat(cache=FabricCache(fabric), reply=reply)
        async with asyncio.timeout(5):  # a lease of an unknown model lasts 15 s
            found = await chat.abatch(["hi"] * 5, return_exceptions=True)
        assert sum(isinstance(f, ConnectionError) for f in found) == 1
        assert chat.calls == 2
