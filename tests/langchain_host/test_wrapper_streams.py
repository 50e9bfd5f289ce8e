"""Streams of a wrapped model: kept once they are whole, replayed as streams."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import cached
from langchain_host.streams import (
    SENTENCE,
    await_until,
    calling,
    merged,
    sentence,
    stores,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


def test_second_stream_makes_no_call_and_still_streams(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    live, kept = list(chat.stream("capital?")), list(chat.stream("capital?"))
    assert plain.calls == 1
    assert merged(kept).text == merged(live).text == SENTENCE
    assert len([chunk for chunk in kept if chunk.text]) == 6
    assert kept[-1].chunk_position == "last"
    assert kept[-1].response_metadata["finish_reason"] == "stop"
    assert kept[-1].response_metadata["model_name"] == "fake-1"
    assert kept[-1].response_metadata["cache_fabric"]["tier"] == "hot"
    assert kept[-1].usage_metadata is not None
    assert kept[-1].usage_metadata["total_tokens"] == 9
    assert len({chunk.id for chunk in kept}) == 1
    assert kept[0].id != live[0].id


async def test_second_stream_makes_no_call_in_a_loop(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    live = [chunk async for chunk in chat.astream("capital?")]
    kept = [chunk async for chunk in chat.astream("capital?")]
    assert plain.calls == 1
    assert merged(kept).text == merged(live).text == SENTENCE
    assert len(kept) > 2


def test_streams_and_calls_share_an_entry(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    list(chat.stream("capital?"))
    assert chat.invoke("capital?").text == SENTENCE
    chat.invoke("river?")
    assert merged(list(chat.stream("river?"))).text == SENTENCE
    assert plain.calls == 2


def test_merged_replay_is_the_message_of_a_plain_hit(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(reply=sentence), exact)
    chat.invoke("capital?")
    plain, streamed = chat.invoke("capital?"), merged(list(chat.stream("capital?")))
    for message in (plain, streamed):
        message.response_metadata["cache_fabric"]["age"] = 0.0
    assert streamed.content == plain.content
    assert streamed.response_metadata == plain.response_metadata
    assert streamed.usage_metadata == plain.usage_metadata
    assert streamed.additional_kwargs == plain.additional_kwargs


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.seen.append(token)


def test_replay_fires_a_callback_for_each_token(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(reply=sentence), exact)
    chat.invoke("capital?")
    tokens = Tokens()
    list(chat.stream("capital?", config={"callbacks": [tokens]}))
    assert "".join(tokens.seen) == SENTENCE
    assert len([token for token in tokens.seen if token]) > 1


async def test_events_show_tokens_on_a_hit(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=sentence)
    chain = ChatPromptTemplate.from_template("{q}") | cached(plain, exact) | StrOutputParser()
    for _ in range(2):
        events = [e async for e in chain.astream_events({"q": "capital?"}, version="v2")]
        tokens = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
        assert "".join(tokens) == SENTENCE
        assert len([token for token in tokens if token]) == 6
    assert plain.calls == 1


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_typed_streams_replay(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    for _ in range(2):
        stream = chat.stream_events("capital?", version="v3")
        assert "".join(stream.text) == SENTENCE
        astream = await chat.astream_events("capital?", version="v3")
        assert "".join([text async for text in astream.text]) == SENTENCE
    assert plain.calls == 1


def test_chain_streams_a_hit_in_parts(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    chain = cached(make_streaming(reply=sentence), exact) | StrOutputParser()
    list(chain.stream("capital?"))
    parts = [part for part in chain.stream("capital?") if part]
    assert "".join(parts) == SENTENCE
    assert len(parts) > 1


def test_abandoned_stream_is_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    stream = chat.stream("capital?")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    gc.collect()
    assert plain._script.closed == 1
    assert stores(events) == {"released": 1}
    assert merged(list(chat.stream("capital?"))).text == SENTENCE
    assert plain.calls == 2


async def test_abandoned_stream_is_not_kept_in_a_loop(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact)
    async for _ in chat.astream("capital?"):
        break
    gc.collect()
    await await_until(lambda: stores(events) == {"released": 1})
    assert plain._script.closed == 1
    assert merged([c async for c in chat.astream("capital?")]).text == SENTENCE
    assert plain.calls == 2


async def test_cancelled_stream_is_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    begun = asyncio.Event()

    async def hang(number: int) -> None:
        if number == 2:
            begun.set()
            await asyncio.Event().wait()

    chat = cached(make_streaming(reply=sentence, astep=hang), exact)

    async def read() -> None:
        async for _ in chat.astream("capital?"):
            pass

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stores(events) == {"released": 1}


def failing_at(number: int) -> Callable[[int], None]:
    def step(at: int) -> None:
        if at == number:
            raise ConnectionError("cut")

    return step


@pytest.mark.parametrize("number", [0, 3])
def test_failed_stream_is_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event], number: int
) -> None:
    plain = make_streaming(reply=sentence, step=failing_at(number))
    chat = cached(plain, exact)
    seen: list[Any] = []
    with pytest.raises(ConnectionError):
        seen.extend(chat.stream("capital?"))
    assert len(seen) == number
    assert stores(events) == {"released": 1}


@pytest.mark.parametrize("finish_reason", [None, "length", "content_filter"])
def test_incomplete_stream_is_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event], finish_reason: Any
) -> None:
    finish = {} if finish_reason is None else {"finish_reason": finish_reason}
    plain = make_streaming(reply=sentence, finish=finish)
    chat = cached(plain, exact)
    for _ in range(2):
        assert merged(list(chat.stream("capital?"))).text == SENTENCE
    assert plain.calls == 2
    assert stores(events) == {"refused": 2}


def test_stream_of_several_answers_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming(reply=sentence)
    plain.n = 2
    chat = cached(plain, exact)
    for _ in range(2):
        list(chat.stream("capital?"))
    assert plain.calls == 2
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["bypass", "bypass"]


def test_tool_calls_stream_again_under_fresh_ids(make_streaming: MakeStreaming) -> None:
    config = FabricConfig(repeatable_tools=frozenset({"weather"}))
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        plain = make_streaming(reply=calling("weather"), finish={"finish_reason": "tool_calls"})
        chat = cached(plain, fabric._fabric)
        answers = [merged(list(chat.stream("weather?"))) for _ in range(3)]
    assert plain.calls == 1
    assert all(a.tool_calls[0]["args"] == {"city": "Zürich", "days": [1, 2.5]} for a in answers)
    assert len({answer.tool_calls[0]["id"] for answer in answers}) == 3


def test_calls_of_other_tools_are_not_kept(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming(reply=calling("pay"), finish={"finish_reason": "tool_calls"})
    chat = cached(plain, exact)
    for _ in range(2):
        list(chat.stream("pay!"))
    assert plain.calls == 2


def test_natural_replay_pauses_and_changes_nothing(
    make_streaming: MakeStreaming, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("cache_fabric.langchain._streaming.time.sleep", pauses.append)
    plain = make_streaming(reply=sentence)
    chat = cached(plain, exact, replay="natural")
    list(chat.stream("capital?"))
    assert pauses == []
    assert merged(list(chat.stream("capital?"))).text == SENTENCE
    assert pauses
    assert all(0 < pause <= 0.05 for pause in pauses)
    list(cached(plain, exact).stream("capital?"))
    assert len(pauses) == 7  # instant is the default


def test_a_stream_without_usage_is_priced_by_an_estimate_that_its_hit_saves(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    def silent(messages: list[BaseMessage]) -> AIMessage:
        return sentence(messages).model_copy(update={"usage_metadata": None})

    chat = cached(make_streaming(reply=silent), exact)
    live, kept = list(chat.stream("capital?")), list(chat.stream("capital?"))
    (stored,) = [event for event in events if isinstance(event, StoreEvent)]
    hit = [event for event in events if isinstance(event, LookupEvent)][-1]
    assert stored.usage is not None
    assert stored.usage.estimated
    assert hit.usage == stored.usage
    # What nobody said is told to nobody.
    assert merged(live).usage_metadata is None
    said: Mapping[str, Any] = merged(kept).usage_metadata or {}
    assert not said.get("total_tokens")
