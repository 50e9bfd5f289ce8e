"""What a call asks of the cache, and where answers are not shared."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import enable
from cache_fabric.options import CacheOptions
from fake_openai import Upstream
from litellm_host.asking import aeventually, asked, eventually, litellm, lookups, stores


def ask(call: dict[str, Any], text: str = "hi", **kwargs: Any) -> Any:
    return litellm.completion(messages=asked(text), **{**call, **kwargs})


def test_no_cache_only_writes(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    first = ask(call)
    fresh = ask(call, cache={"no-cache": True})
    assert len(upstream.calls) == 2
    assert stores(events) == ["stored", "stored"]
    assert fresh.id != first.id
    ask(call)
    assert len(upstream.calls) == 2


def test_no_store_only_reads(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    ask(call, cache={"no-store": True})
    assert stores(events) == []  # it was answered, so it is no failure
    ask(call)
    ask(call, cache={"no-store": True})
    assert len(upstream.calls) == 2
    assert lookups(events) == ["miss", "miss", "hit"]


def test_caching_false_does_neither(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    ask(call, caching=False)
    ask(call, caching=False, cache={"no-cache": True})
    assert lookups(events) == stores(events) == []
    ask(call)
    ask(call, caching=False)
    assert len(upstream.calls) == 4


@pytest.mark.parametrize("name", ["s-maxage", "s-max-age"])
def test_s_maxage(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any], name: str
) -> None:
    ask(call)
    ask(call, cache={name: 3600})
    assert len(upstream.calls) == 1
    ask(call, cache={name: 0})
    assert len(upstream.calls) == 2
    ask(call, cache={name: 1e-9})
    assert len(upstream.calls) == 3
    assert lookups(events) == ["miss", "hit", "miss", "miss"]


def test_ttl(enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]) -> None:
    ask(call, cache={"ttl": 60})
    (entry,) = enabled.sync.list_answers()
    assert entry.expires is not None
    assert 50 < entry.expires - entry.created <= 60


def test_a_namespace_is_a_place_inside_the_tenant(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    for tenant in ("a", "b"):
        enable(exact, tenant=tenant)
        ask(call)
        ask(call, cache={"namespace": "n"})
        ask(call, cache={"namespace": "n"})
        ask(call, cache={"namespace": "a"})
    assert len(upstream.calls) == 6


def test_similarity_and_policy(
    fabric: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    """This fabric serves by meaning."""
    enable(fabric)
    ask(call, "What is the capital of France?")
    ask(call, "What's the capital of France?", cache={"policy": "exact"})
    assert len(upstream.calls) == 2
    ask(call, "Tell me, what is the capital of France?", cache={"similarity": 1.0})
    assert len(upstream.calls) == 3


async def test_a_paraphrase_is_a_hit_and_says_how_near(
    fabric: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(fabric)
    first = await litellm.acompletion(messages=asked("What is the capital of France?"), **call)
    await aeventually(lambda: len(fabric._life().engine.hot) == 1)
    metadata: dict[str, Any] = {}
    again = await litellm.acompletion(
        messages=asked("What's the capital of France?"), metadata=metadata, **call
    )
    assert len(upstream.calls) == 1
    assert again.choices[0].message.content == first.choices[0].message.content
    assert 0.8 < metadata["semantic-similarity"] < 1


def test_tenants_of_the_metadata_stay_apart(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    for metadata in (
        {"cache_fabric_tenant": "a"},
        {"cache_fabric_tenant": "b"},
        {"user_api_key_team_id": "a", "user_api_key": "k1"},
        {"user_api_key_team_id": "b", "user_api_key": "k1"},
        {"user_api_key": "k1"},
        {"user_api_key": "k2"},
    ):
        ask(call, metadata=dict(metadata))
    assert len(upstream.calls) == 6
    ask(call, metadata={"user_api_key_team_id": "a", "user_api_key": "k2"})
    assert len(upstream.calls) == 6  # another key of the same team


def test_a_rule_that_fails_keeps_the_call_out_of_the_cache(
    exact: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact, tenant=lambda kwargs: kwargs["nothing"])
    assert ask(call).choices
    assert ask(call).choices
    assert len(upstream.calls) == 2
    assert lookups(events) == ["bypass", "bypass"]


def test_an_unusable_control_is_a_counted_bypass(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    assert ask(call, cache={"ttl": "soon"}).choices
    assert lookups(events) == ["bypass"]
    assert stores(events) == []


def test_options_of_the_installation(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact, options=CacheOptions(tags=("mine",), ttl=60))
    ask(call, cache={"ttl": 3600})
    (entry,) = exact.sync.list_answers(tag="mine")
    assert entry.expires is not None
    assert entry.expires - entry.created <= 60


@pytest.mark.parametrize("fault", ["length", "content_filter"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_whole_is_not_kept(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    fault: str,
    stream: bool,
) -> None:
    for _ in range(2):
        upstream.fail(fault)
        response = ask(call, stream=stream)
        if stream:
            assert list(response)
    eventually(lambda: stores(events) == ["refused", "refused"])
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("fault", ["cut", "error_body", "500"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_failed_is_not_kept_and_frees_its_lease(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    fault: str,
    stream: bool,
) -> None:
    upstream.fail(fault, 5)
    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's own, of many classes
        response = ask(call, stream=stream)
        list(response)
    eventually(lambda: stores(events) == ["released"])
    assert enabled.sync.list_answers() == []


def test_calls_of_tools_that_are_not_repeatable_are_not_kept(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    tool = {"type": "function", "function": {"name": "send_mail", "parameters": {}}}
    for _ in range(2):
        assert ask(call, "send the mail", tools=[tool]).choices[0].message.tool_calls
    assert stores(events) == ["refused", "refused"]
    assert len(upstream.calls) == 2


def test_a_mock_response_is_not_kept(
    enabled: CacheFabric, events: list[Event], call: dict[str, Any]
) -> None:
    ask(call, mock_response="made up")
    assert lookups(events) == ["bypass"]
    assert stores(events) == []


def test_an_answer_of_a_fallback_is_kept_under_its_own_model(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    upstream.fail("500", 1)
    response = ask(call, fallbacks=["gpt-4o-mini"], num_retries=0)
    assert response.model == "gpt-4o-mini"
    eventually(lambda: "stored" in stores(events))
    assert {entry.model for entry in enabled.sync.list_answers()} == {"gpt-4o-mini"}


def test_the_metadata_of_a_call_may_name_its_graph(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    for name in ("triage", "triage", "a\x00b"):
        ask(call, metadata={"cache_fabric_graph": name})
    rows = enabled.sync.get_metrics()["savings"]["graph"]
    assert {row["name"]: row["lookups"] for row in rows} == {"triage": 2, "(none)": 1}
    assert len(upstream.calls) == 1
