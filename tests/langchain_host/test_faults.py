"""Whatever breaks, the model is called and its answer arrives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage

from cache_fabric import Answer, CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import FabricCache
from cache_fabric.langchain._prompt import read_request
from cache_fabric.stores.memory import MemoryStore

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


class RaisingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise BackendUnavailable("memory", "get", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class HangingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None


class BrokenFabric:
    """Raises what nobody expects, also while counting."""

    def __init__(self) -> None:
        self.config = FabricConfig()
        self.sync = self
        self.reasons: list[str] = []

    def lookup(self, request: Any) -> Any:
        raise ZeroDivisionError("a prompt stands here")

    def store(self, request: Any, answer: Any, **known: Any) -> Any:
        raise ZeroDivisionError("a prompt stands here")

    def bypass(self, model: str, reason: str) -> None:
        self.reasons.append(reason)
        raise ZeroDivisionError


@pytest.fixture(params=[RaisingStore, HangingStore])
def faulty(request: pytest.FixtureRequest) -> CacheFabric:
    return create_cache_fabric("memory", policy=ExactOnly(), store=request.param("faulty"))


def broken(fabric: BrokenFabric) -> FabricCache:
    return FabricCache(fabric)  # type: ignore[arg-type]


def test_a_store_that_raises_or_hangs(make_chat: MakeChat, faulty: CacheFabric) -> None:
    chat = make_chat(cache=FabricCache(faulty))
    assert chat.invoke("capital?").content == "Paris."
    faulty.sync.close()
    assert chat.calls == 1


async def test_a_store_that_raises_or_hangs_in_a_loop(
    make_chat: MakeChat, faulty: CacheFabric
) -> None:
    chat = make_chat(cache=FabricCache(faulty))
    assert (await chat.ainvoke("capital?")).content == "Paris."
    await faulty.aclose()
    assert chat.calls == 1


def test_a_closed_fabric(make_chat: MakeChat, exact: CacheFabric) -> None:
    chat = make_chat()
    exact.sync.close()
    assert chat.invoke("capital?").content == "Paris."


async def test_a_blocking_call_on_the_loop_that_the_fabric_adopted(make_chat: MakeChat) -> None:
    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        chat = make_chat(cache=FabricCache(fabric))
        assert chat.invoke("capital?").content == "Paris."
        await chat.ainvoke("capital?")
        assert (await chat.ainvoke("capital?")).content == "Paris."


def test_any_error_of_ours_is_a_counted_miss(make_chat: MakeChat) -> None:
    fabric = BrokenFabric()
    chat = make_chat(cache=broken(fabric))
    assert chat.invoke("capital?").content == "Paris."
    assert fabric.reasons == ["host error: ZeroDivisionError"]


async def test_any_error_of_ours_is_a_counted_miss_in_a_loop(make_chat: MakeChat) -> None:
    fabric = BrokenFabric()
    chat = make_chat(cache=broken(fabric))
    assert (await chat.ainvoke("capital?")).content == "Paris."
    assert fabric.reasons == ["host error: ZeroDivisionError"]


def test_it_is_logged_once_and_without_a_prompt(
    make_chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    chat = make_chat(cache=broken(BrokenFabric()))
    with caplog.at_level(logging.DEBUG, logger="cache_fabric"):
        for _ in range(3):
            chat.invoke("capital?")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "prompt" not in record.getMessage()
    assert record.exc_info is None


async def test_a_cancelled_lookup_is_cancelled() -> None:
    class Leaving(BrokenFabric):
        async def lookup(self, request: Any) -> Any:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await broken(Leaving()).alookup("prompt", "settings")


def test_a_foreign_payload_is_a_miss(
    make_chat: MakeChat, exact: CacheFabric, events: list[Event]
) -> None:
    chat = make_chat()
    request = read_request(dumps([HumanMessage("capital?")]), chat._get_llm_string())
    exact.sync.store(request, Answer(payload={"choices": []}, text="x"))
    assert chat.invoke("capital?").content == "Paris."
    outcomes = [event.outcome for event in events if isinstance(event, LookupEvent)]
    assert outcomes == ["hit"]  # one request, counted once


def test_the_answer_to_a_foreign_payload_replaces_it(
    make_chat: MakeChat, exact: CacheFabric
) -> None:
    chat = make_chat()
    request = read_request(dumps([HumanMessage("capital?")]), chat._get_llm_string())
    exact.sync.store(request, Answer(payload={"choices": []}, text="x"))
    chat.invoke("capital?")
    assert chat.invoke("capital?").content == "Paris."
    assert chat.calls == 1


@pytest.mark.parametrize("length", [300_000, 3_000_000])
def test_a_prompt_over_the_limit_is_answered(
    make_chat: MakeChat, events: list[Event], length: int
) -> None:
    chat = make_chat()
    assert chat.invoke("a" * length).content == "Paris."
    (lookup,) = [event for event in events if isinstance(event, LookupEvent)]
    assert lookup.outcome == "bypass"


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\u202e\ufeff", "a\u0301" * 1_000])
def test_odd_text_is_answered(make_chat: MakeChat, text: str) -> None:
    chat = make_chat()
    assert [chat.invoke(text).content for _ in range(2)] == ["Paris."] * 2


def test_clearing_a_store_that_fails_is_told_to_the_caller() -> None:
    class Uncleared(MemoryStore):
        async def clear(self, prefix: str) -> int:
            raise BackendUnavailable("memory", "clear", "is away")

    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=Uncleared("n"))
    with pytest.raises(BackendUnavailable):
        FabricCache(fabric).clear()
    fabric.sync.close()
