"""Whatever breaks in the fabric, a wrapped model answers as if it had not been wrapped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain.chat_models import init_chat_model

from cache_fabric import Answer, CacheFabric, ExactOnly, Usage, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, ValidationError
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import FabricChatModel, cached
from cache_fabric.langchain._call import read_call
from cache_fabric.stores.memory import MemoryStore
from langchain_host.streams import text_of

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat, StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]
MOST_EXTRA_SECONDS = 0.1


class Dead(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise BackendUnavailable("memory", "get", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class Hung(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None


class Corrupt(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        return b"\x00not an entry"


@pytest.fixture(params=[Dead, Hung, Corrupt])
def faulty(request: pytest.FixtureRequest) -> Iterator[CacheFabric]:
    store = request.param("faulty")
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store)
    yield fabric
    fabric.sync.close()


def test_faulty_store_costs_at_most_its_budget(
    make_streaming: MakeStreaming, faulty: CacheFabric
) -> None:
    chat = cached(make_streaming(), faulty)
    extra = []
    for question in ("a?", "b?", "c?"):
        started = time.perf_counter()
        assert chat.invoke(question).text == "Paris."
        extra.append(time.perf_counter() - started)
    assert min(extra) < MOST_EXTRA_SECONDS  # the model takes no time; the machine may be busy


async def test_faulty_store_in_a_loop(make_streaming: MakeStreaming, faulty: CacheFabric) -> None:
    chat = cached(make_streaming(), faulty)
    async with asyncio.timeout(5):
        assert (await chat.ainvoke("capital?")).text == "Paris."
        streamed = [chunk.text async for chunk in chat.astream("river?")]
        assert "".join(streamed) == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("country?")) == "Paris."


def test_closed_fabric(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    chat = cached(make_streaming(), exact)
    exact.sync.close()
    assert chat.invoke("capital?").text == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("capital?")) == "Paris."


async def test_fabric_closed_in_the_middle_of_a_stream(make_streaming: MakeStreaming) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly())
    stream = cached(make_streaming(), fabric).astream("capital?")
    first = await anext(stream)
    await fabric.aclose()
    rest = [chunk.text async for chunk in stream]
    assert first.text + "".join(rest) == "Paris."


async def test_blocking_call_on_the_loop_that_the_fabric_adopted(
    make_streaming: MakeStreaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache_fabric.langchain._streaming.time.sleep", pytest.fail)
    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        plain = make_streaming()
        chat = cached(plain, fabric, replay="natural")
        assert chat.invoke("capital?").text == "Paris."
        assert "".join(chunk.text for chunk in chat.stream("capital?")) == "Paris."
        await chat.ainvoke("capital?")
        assert "".join(chunk.text for chunk in chat.stream("capital?")) == "Paris."
        assert plain.calls == 3  # what the process holds needs no loop


class Broken(CacheFabric):
    """Raises what nobody expects, also while counting."""

    @property
    def sync(self) -> Any:
        raise ZeroDivisionError("a prompt stands here")

    async def lookup(self, request: Any) -> Any:
        raise ZeroDivisionError("a prompt stands here")

    def bypass(self, model: str, reason: str) -> Any:
        raise ZeroDivisionError


async def test_any_error_of_ours(
    make_streaming: MakeStreaming, caplog: pytest.LogCaptureFixture, exact: CacheFabric
) -> None:
    exact.__class__ = Broken
    chat = cached(make_streaming(), exact)
    assert chat.invoke("capital?").text == "Paris."
    assert (await chat.ainvoke("capital?")).text == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("capital?")) == "Paris."
    assert "".join([chunk.text async for chunk in chat.astream("capital?")]) == "Paris."
    exact.__class__ = CacheFabric
    assert len(caplog.records) == 1
    assert "prompt" not in caplog.text


def test_foreign_payload_is_a_miss_and_is_replaced(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    messages = chat._convert_input("capital?").to_messages()
    request = read_call(plain, messages, None, {})
    for call in (lambda: chat.invoke("capital?"), lambda: list(chat.stream("capital?"))):
        exact.sync.store(request, Answer(payload={"choices": []}, text="x"))
        call()
        assert chat.invoke("capital?").text == "Paris."
    assert plain.calls == 2
    outcomes = [e.outcome for e in events if isinstance(e, LookupEvent)]
    assert outcomes == ["hit"] * 4  # each request is counted once


def test_a_hit_that_could_not_be_read_has_saved_nothing(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    request = read_call(plain, chat._convert_input("capital?").to_messages(), None, {})
    usage = Usage(input_tokens=1000, output_tokens=1000)
    exact.sync.store(request, Answer(payload={"choices": []}, text="x"), usage=usage)
    for _ in range(3):
        assert chat.invoke("capital?").text == "Paris."
    assert plain.calls == 1
    found = exact.sync.get_metrics()
    assert (found["hits"], found["hits_reversed"]) == (3, 1)
    assert found["tokens_saved"] == 2 * 5


def test_answer_that_cannot_be_replayed_is_asked_for_again(
    make_streaming: MakeStreaming,
    exact: CacheFabric,
    events: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    chat.invoke("capital?")

    def broken(_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("cache_fabric.langchain._model_call.replayed", broken)
    assert "".join(chunk.text for chunk in chat.stream("capital?")) == "Paris."
    assert plain.calls == 2
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["miss", "hit"]


async def test_chunks_that_cannot_be_copied_are_passed_on(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    class Uncopied:
        def __deepcopy__(self, _: Any) -> Any:
            raise TypeError("cannot be copied")

    plain = make_streaming(finish={"finish_reason": "stop", "raw": Uncopied()})
    chat = cached(plain, exact)
    leading, following = chat.stream("capital?"), chat.stream("capital?")
    first = [next(leading), next(following)]
    assert text_of([first[0], *leading]) == text_of([first[1], *following]) == "Paris."
    assert "".join([chunk.text async for chunk in chat.astream("capital?")]) == "Paris."
    assert plain.calls == 1


def test_request_without_a_stable_key_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    for _ in range(2):
        assert chat.bind(handler=object()).invoke("capital?").text == "Paris."
    assert plain.calls == 2
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["bypass", "bypass"]


def test_model_of_a_class_that_cannot_stream_still_cannot(
    exact: CacheFabric, make_chat: Callable[..., CountingChat]
) -> None:
    plain = make_chat(cache=None)
    chat = cached(plain, exact)
    assert len(list(chat.stream("capital?"))) == 1
    assert len(list(chat.stream("capital?"))) == 1
    assert plain.calls == 1


def test_arguments_that_make_no_sense_are_named(
    make_streaming: MakeStreaming, make_llm: Callable[..., Any], exact: CacheFabric
) -> None:
    chat: Any = make_streaming()
    outers: list[Any] = [chat.bind(stop=["x"]), chat | str]
    outers.append(init_chat_model(configurable_fields="any"))
    for outer in outers:
        with pytest.raises(ValidationError, match=r"model: .*wrap the chat model inside it"):
            cached(outer, exact)
    with pytest.raises(ValidationError, match=r"model: .*give it a FabricCache"):
        cached(make_llm(), exact)
    with pytest.raises(ValidationError, match="model: expected a chat model, got str"):
        FabricChatModel("gpt-4o", exact)  # type: ignore[type-var]
    with pytest.raises(ValidationError, match="fabric: expected a CacheFabric"):
        cached(chat, exact.sync)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="tenant"):
        cached(chat, exact, tenant=7)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="replay: expected instant or natural"):
        cached(chat, exact, replay="slow")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="options"):
        cached(chat, exact, options={"ttl": 3})  # type: ignore[arg-type]
