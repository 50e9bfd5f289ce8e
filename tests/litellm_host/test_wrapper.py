"""``completion(fabric, ...)``: one call through a fabric, with its provenance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.instrumentation.events import Event, StoreEvent
from cache_fabric.litellm import acompletion, completion, enable
from fake_openai import Upstream
from litellm_host.asking import asked, litellm, lookups, stores

STREAMS: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def mark(response: Any) -> dict[str, Any]:
    said = response._hidden_params["cache_fabric"]
    assert isinstance(said, dict)
    return said


def text(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_a_hit_says_where_it_comes_from(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    missed = completion(exact, messages=asked("hi"), **call)
    assert (mark(missed)["outcome"], mark(missed)["reason"]) == ("miss", "not found")
    hit = completion(exact, messages=asked("hi"), **call)
    said = mark(hit)
    (entry,) = exact.sync.list_answers()
    assert (said["outcome"], said["tier"], said["similarity"]) == ("hit", "hot", 1.0)
    assert said["entry_id"] == mark(missed)["entry_id"] == entry.id
    assert 0 <= said["age"] < 60
    assert said["saved_cost"] > 0
    assert hit._hidden_params["cache_hit"] is True
    assert hit._hidden_params["response_cost"] == 0.0
    assert hit.choices[0].message.content == missed.choices[0].message.content
    assert hit.usage.total_tokens == missed.usage.total_tokens
    assert type(hit) is type(missed)
    assert hit.id != missed.id
    assert len(upstream.calls) == 1


async def test_the_same_without_blocking(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    responses = [await acompletion(exact, messages=asked("hi"), **call) for _ in range(2)]
    assert [mark(response)["outcome"] for response in responses] == ["miss", "hit"]
    assert len(upstream.calls) == 1


def test_streams(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    first = completion(exact, messages=asked("one two three"), **STREAMS, **call)
    missed = list(first)
    assert stores(events) == ["stored"]
    second = completion(exact, messages=asked("one two three"), **STREAMS, **call)
    hit = list(second)
    assert [mark(first)["outcome"], mark(second)["outcome"]] == ["miss", "hit"]
    assert text(hit) == text(missed)
    assert len(hit) > 1
    assert mark(second)["saved_cost"] > 0
    assert len(upstream.calls) == 1


async def test_streams_without_blocking(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    texts = []
    for _ in range(2):
        stream = await acompletion(exact, messages=asked("one two three"), **STREAMS, **call)
        texts.append(text([chunk async for chunk in stream]))
    assert texts[0] == texts[1] != ""
    assert lookups(events) == ["miss", "hit"]
    assert len(upstream.calls) == 1


def test_it_shares_its_answers_with_enable(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact)
    completion(exact, messages=asked("hi"), **call)
    litellm.completion(messages=asked("hi"), **call)
    assert lookups(events) == ["miss", "hit"]
    assert stores(events) == ["stored"]
    assert len(upstream.calls) == 1


def test_another_cache_of_litellm_is_left_alone(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    other = litellm.cache = litellm.Cache()
    try:
        completion(exact, messages=asked("hi"), **call)
        assert other.cache.cache_dict == {}
    finally:
        litellm.cache = None


@pytest.mark.parametrize("fault", ["cut", "error_body", "length", "content_filter"])
def test_a_stream_that_is_not_whole_is_not_kept(
    exact: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    fault: str,
) -> None:
    upstream.fail(fault)
    try:
        list(completion(exact, messages=asked("one two three"), stream=True, **call))
    except Exception as error:  # noqa: BLE001 - LiteLLM's own
        assert fault in ("cut", "error_body"), error
    assert stores(events) in (["released"], ["refused"])
    assert exact.sync.list_answers() == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"caching": False}, "caching=False"),
        ({"fallbacks": ["gpt-4o-mini"]}, "fallbacks"),
        ({"stream": True, "n": 2}, "several answers"),
        ({"mock_response": "x"}, "mock"),
    ],
)
def test_a_bypass_says_why(
    exact: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    arguments: dict[str, Any],
    reason: str,
) -> None:
    response = completion(exact, messages=asked("hi"), **{**call, **arguments})
    if arguments.get("stream"):
        list(response)
    assert mark(response)["outcome"] == "bypass"
    (event,) = events
    assert reason in getattr(event, "reason", "")


def test_what_cannot_be_used(exact: CacheFabric, call: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="tenant"):
        completion(exact, tenant="", messages=asked("hi"), **call)


@pytest.fixture
def forgiving() -> Iterator[CacheFabric]:
    config = FabricConfig(ttl=1e-6, stale_if_error=3600)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    yield fabric
    fabric.sync.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_expired_answer_stands_in_for_a_failure(
    forgiving: CacheFabric, upstream: Upstream, call: dict[str, Any], stream: bool
) -> None:
    first = await acompletion(forgiving, messages=asked("hi"), **call)
    upstream.fail("500")
    response = await acompletion(
        forgiving, messages=asked("hi"), stream=stream, num_retries=0, **call
    )
    assert mark(response)["stale"] is True
    said = (
        text([chunk async for chunk in response]) if stream else response.choices[0].message.content
    )
    assert said == first.choices[0].message.content


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=ascii)
def test_a_stream_without_usage_is_priced_by_an_estimate_that_says_so(
    exact: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    monkeypatch.setattr("fake_openai._chat._usage", lambda _: None)
    chunks = list(completion(exact, messages=asked("one two"), stream=True, **options, **call))
    assert len(chunks) > 1
    (stored,) = [event for event in events if isinstance(event, StoreEvent)]
    assert stored.usage is not None
    assert stored.usage.estimated
    assert 4 < stored.usage.input_tokens < 20
    assert stored.usage.output_tokens > 0
    assert stored.cost_micros is not None
    assert stored.cost_micros > 0
