"""Embeddings: each text is asked for once, whatever it comes with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, ValueEvent
from cache_fabric.litellm import enable
from fake_openai import Upstream
from litellm_host.asking import aeventually, eventually, litellm


@pytest.fixture
def call(upstream: Upstream) -> dict[str, Any]:
    model = "openai/text-embedding-3-small"
    return {"model": model, "api_base": upstream.url, "api_key": "sk-1", "max_retries": 0}


def stored(events: list[Event]) -> int:
    return sum(e.count for e in events if isinstance(e, ValueEvent) and e.outcome == "stored")


def sent(upstream: Upstream) -> list[Any]:
    return [call.body["input"] for call in upstream.calls]


def vectors(response: Any) -> list[list[float]]:
    return [item["embedding"] for item in response.data]


def test_a_repeat(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    first = litellm.embedding(input=["a", "b"], **call)
    eventually(lambda: stored(events) == 2)
    again = litellm.embedding(input=["b", "a"], **call)
    assert vectors(again) == vectors(first)[::-1]
    assert again._hidden_params["cache_hit"] is True
    assert again.usage.total_tokens == first.usage.total_tokens
    assert len(upstream.calls) == 1


async def test_only_the_texts_that_are_new_are_sent(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    first = await litellm.aembedding(input=["a", "b"], **call)
    await aeventually(lambda: stored(events) == 2)
    mixed = await litellm.aembedding(input=["c", "b", "a", "d"], **call)
    assert sent(upstream) == [["a", "b"], ["c", "d"]]
    assert vectors(mixed)[1:3] == vectors(first)[::-1]
    await aeventually(lambda: stored(events) == 4)
    whole = await litellm.aembedding(input=["d", "c"], **call)
    assert vectors(whole) == [vectors(mixed)[3], vectors(mixed)[0]]
    assert len(upstream.calls) == 2


async def test_both_colours_share(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    first = litellm.embedding(input="a", **call)
    await aeventually(lambda: stored(events) == 1)
    again = await litellm.aembedding(input="a", **call)
    assert vectors(again) == vectors(first)
    assert len(upstream.calls) == 1


async def test_texts_of_one_call_are_read_together(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
) -> None:
    texts = [f"text {number}" for number in range(50)]
    await litellm.aembedding(input=texts, **call)
    lookups = [e for e in events if isinstance(e, ValueEvent) and e.outcome == "miss"]
    assert [event.count for event in lookups] == [50]


@pytest.mark.parametrize(
    "changed",
    [
        {"dimensions": 8},
        {"model": "openai/text-embedding-3-large"},
        {"user": "ann"},
        {"encoding_format": "base64"},
        {"metadata": {"cache_fabric_tenant": "a"}},
        {"cache": {"namespace": "n"}},
        {"extra_body": {"a": 1}},
    ],
    ids=str,
)
def test_what_differs_stays_apart(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    litellm.embedding(input=["a"], **call)
    litellm.embedding(input=["a"], **{**call, **changed})
    assert len(upstream.calls) == 2


def test_controls(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    litellm.embedding(input=["a"], cache={"no-store": True}, **call)
    assert stored(events) == 0
    litellm.embedding(input=["a"], caching=False, **call)
    assert stored(events) == 0
    litellm.embedding(input=["a"], **call)
    litellm.embedding(input=["a"], cache={"no-cache": True}, **call)
    assert len(upstream.calls) == 4


def test_a_failure_is_not_kept(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    upstream.fail("500", 9)
    with pytest.raises(litellm.InternalServerError):
        litellm.embedding(input=["a"], num_retries=0, **call)
    assert stored(events) == 0


async def test_a_caller_that_leaves_takes_nothing_from_the_others(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    await litellm.aembedding(input=["a"], **call)
    await aeventually(lambda: stored(events) == 1)
    leaver = asyncio.create_task(litellm.aembedding(input=["a"], **call))
    stayer = asyncio.create_task(litellm.aembedding(input=["a"], **call))
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stayer).data
    assert len(upstream.calls) == 1


def test_a_rule_that_fails_is_a_bypass(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact, tenant=lambda kwargs: kwargs["nothing"])
    for _ in range(2):
        assert litellm.embedding(input=["a"], **call).data
    assert len(upstream.calls) == 2
    assert stored(events) == 0


def test_a_fabric_that_wants_a_tenant_keeps_nothing_without_one(
    upstream: Upstream, call: dict[str, Any]
) -> None:
    config = FabricConfig(require_tenant=True)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    enable(fabric)
    for metadata in ({}, {}, {"cache_fabric_tenant": "a"}, {"cache_fabric_tenant": "a"}):
        litellm.embedding(input=["a"], metadata=dict(metadata), **call)
    fabric.sync.close()
    assert len(upstream.calls) == 3
