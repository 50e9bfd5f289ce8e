"""Every way into LiteLLM: the second identical call makes no call upstream, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event, StoreEvent
from fake_openai import Upstream
from litellm_host.asking import (
    aeventually,
    asked,
    eventually,
    litellm,
    lookups,
    stores,
    text_of_stream,
)


def router(call: dict[str, Any]) -> Any:
    deployment = {"model_name": "group", "litellm_params": {**call, "model": "openai/gpt-4o"}}
    return litellm.Router(model_list=[deployment], cache_responses=True, num_retries=0)


def once(upstream: Upstream) -> bool:
    return len(upstream.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("via", ["completion", "router"])
def test_completion(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
    via: str,
) -> None:
    def ask() -> str:
        if via == "router":
            response = made.completion("group", asked("hello"), stream=stream)
        else:
            response = litellm.completion(messages=asked("hello"), stream=stream, **call)
        if stream:
            return text_of_stream(list(response))
        return str(response.choices[0].message.content)

    made = router(call)
    first = ask()
    eventually(lambda: stores(events) == ["stored"])
    assert ask() == first != ""
    assert once(upstream)
    assert lookups(events) == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("via", ["acompletion", "router"])
async def test_acompletion(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
    via: str,
) -> None:
    async def ask() -> str:
        if via == "router":
            response = await made.acompletion("group", asked("hello"), stream=stream)
        else:
            response = await litellm.acompletion(messages=asked("hello"), stream=stream, **call)
        if stream:
            return text_of_stream([chunk async for chunk in response])
        return str(response.choices[0].message.content)

    made = router(call)
    first = await ask()
    await aeventually(lambda: stores(events) == ["stored"])
    assert await ask() == first != ""
    assert once(upstream)
    assert lookups(events) == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
def test_responses(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    def ask() -> str:
        response = litellm.responses(input="hello", stream=stream, **call)
        if stream:
            last = list(response)[-1]
            response = last.response
        return str(response.output[0].content[0].text)

    first = ask()
    eventually(lambda: stores(events) == ["stored"])
    assert ask() == first != ""
    assert once(upstream)
    assert lookups(events) == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
async def test_aresponses(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    async def ask() -> str:
        response = await litellm.aresponses(input="hello", stream=stream, **call)
        if stream:
            response = [event async for event in response][-1].response
        return str(response.output[0].content[0].text)

    first = await ask()
    await aeventually(lambda: stores(events) == ["stored"])
    assert await ask() == first != ""
    assert once(upstream)
    assert lookups(events) == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
def test_text_completion(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    def ask() -> str:
        arguments = {**call, "model": "openai/gpt-4o"}
        response = litellm.text_completion(prompt="hello", stream=stream, **arguments)
        parts = list(response) if stream else [response]
        return "".join(part.choices[0].text or "" for part in parts)

    first = ask()
    eventually(lambda: stores(events) == ["stored"])
    assert ask() == first != ""
    assert once(upstream)
    assert lookups(events) == ["miss", "hit"]


async def test_atext_completion(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    async def ask() -> str:
        arguments = {**call, "model": "openai/gpt-4o"}
        response = await litellm.atext_completion(prompt="hello", **arguments)
        return str(response.choices[0].text)

    first = await ask()
    await aeventually(lambda: stores(events) == ["stored"])
    assert await ask() == first != ""
    assert once(upstream)


async def test_a_streamed_atext_completion_goes_its_way(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    """LiteLLM would replay it as chunks of a chat, which its caller does not expect."""
    arguments = {**call, "model": "openai/gpt-4o", "stream": True}
    for _ in range(2):
        stream = await litellm.atext_completion(prompt="hello", **arguments)
        assert "".join([part.choices[0].text or "" async for part in stream])
    assert len(upstream.calls) == 2
    assert lookups(events) == ["bypass", "bypass"]
    assert stores(events) == []


@pytest.mark.parametrize("streams", [(False, True), (True, False)])
def test_a_stream_and_a_plain_call_share_their_answer(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    streams: tuple[bool, bool],
) -> None:
    texts = []
    for stream in streams:
        response = litellm.completion(messages=asked("hello"), stream=stream, **call)
        texts.append(
            text_of_stream(list(response)) if stream else response.choices[0].message.content
        )
        eventually(lambda: stores(events) == ["stored"])
    assert texts[0] == texts[1]
    assert once(upstream)


def test_a_conversation_of_twelve_messages(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    messages = [
        {"role": role, "content": f"{role} {turn}"}
        for turn in range(6)
        for role in ("assistant", "user")
    ]
    assert len(messages) == 12
    hits = [
        litellm.completion(messages=messages, **call)._hidden_params.get("cache_hit")
        for _ in range(2)
    ]
    assert hits == [None, True]
    assert once(upstream)


def test_a_hit_costs_nothing_and_has_an_id_of_its_own(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    missed, first, second = (litellm.completion(messages=asked("hi"), **call) for _ in range(3))
    assert first._hidden_params["cache_hit"] is True
    assert first._hidden_params["response_cost"] == 0.0
    assert len({missed.id, first.id, second.id}) == 3
    for name in ("model", "object", "system_fingerprint"):
        assert getattr(first, name) == getattr(missed, name)
    assert first.usage.total_tokens == missed.usage.total_tokens > 0
    assert first.choices[0].finish_reason == "stop"


def test_a_streamed_hit_has_several_chunks_and_usage_when_asked_for(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    litellm.completion(messages=asked("one two three"), **call)
    chunks = list(litellm.completion(messages=asked("one two three"), **options, **call))
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 1
    usages = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
    assert len(usages) == 1
    assert usages[0].total_tokens > 0
    ends = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert ends == ["stop"]
    assert once(upstream)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_come_back_with_fresh_ids(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    messages = asked("the weather in 'Oslo'")
    seen = []
    for _ in range(2):
        response = await litellm.acompletion(
            messages=messages, tools=[WEATHER], stream=stream, **call
        )
        if stream:
            response = litellm.stream_chunk_builder([chunk async for chunk in response])
        assert response is not None
        (tool_call,) = response.choices[0].message.tool_calls
        assert response.choices[0].finish_reason == "tool_calls"
        seen.append((tool_call.id, tool_call.function.name, tool_call.function.arguments))
        await aeventually(lambda: stores(events) == ["stored"])
    assert seen[0][1:] == seen[1][1:] == ("get_weather", '{"city": "Oslo"}')
    assert seen[0][0] != seen[1][0]
    assert once(upstream)


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=ascii)
def test_usage_that_litellm_makes_up_for_a_stream_counts_as_an_estimate(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    monkeypatch.setattr("fake_openai._chat._usage", lambda _: None)
    list(litellm.completion(messages=asked("one two"), stream=True, **options, **call))
    eventually(lambda: stores(events))
    (stored,) = [event for event in events if isinstance(event, StoreEvent)]
    assert stored.usage is not None
    assert stored.usage.estimated
    assert stored.cost_micros is not None
    assert stored.cost_micros > 0
