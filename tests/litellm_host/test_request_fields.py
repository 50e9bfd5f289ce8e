"""Every argument changed in turn: what makes another request, and what does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.errors import NotCacheable
from cache_fabric.keys import derive
from cache_fabric.litellm._controls import read_controls
from cache_fabric.litellm._terms import Terms
from cache_fabric.options import CacheOptions

USER = {"role": "user", "content": "hi"}
PLAIN: dict[str, Any] = {"model": "gpt-4o", "messages": [USER], "api_key": "sk-1"}


def without_address(value: object) -> str:
    """An id that every process of a test run gives a parameter."""
    return re.sub(r" at 0x\w+", "", str(value))


def key(fabric: CacheFabric, **changed: Any) -> str:
    terms = Terms(fabric)
    asked = terms.read({**PLAIN, **changed})
    return derive(asked.request, secret=b"s", namespace="n", embedder="e").exact


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "gpt-4o-mini"},
        {"model": "azure/gpt-4o"},
        {"model": "anthropic/claude-3-5-sonnet-20240620"},
        {"custom_llm_provider": "custom_openai"},
        {"messages": [{"role": "system", "content": "s"}, USER]},
        {"messages": [{**USER, "name": "ann"}]},
        {"messages": [{**USER, "cache_control": {"type": "ephemeral"}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"messages": [USER, USER]},
        {"temperature": 0},
        {"top_p": 0.1},
        {"top_k": 3},
        {"max_tokens": 5},
        {"n": 2},
        {"stop": ["x"]},
        {"seed": 0},
        {"seed": "0"},
        {"user": "ann"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"tool_choice": "none"},
        {"parallel_tool_calls": False},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "high"},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"service_tier": "flex"},
        {"logprobs": True},
        {"web_search_options": {}},
        {"modalities": ["text"]},
        {"prediction": {"type": "content", "content": "x"}},
        {"extra_body": {"a": 1}},
        {"extra_headers": {"x-version": "2"}},
        {"extra_query": {"a": "1"}},
        {"api_base": "http://127.0.0.1:1/v1"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"api_version": "2025-01-01"},
        {"organization": "org"},
        {"region_name": "eu"},
        {"drop_params": True},
        {"allowed_openai_params": ["tools"]},
        {"additional_drop_params": ["user"]},
        {"merge_reasoning_content_in_choices": True},
        {"use_xai_oauth": True},
        {"guardrails": ["g"]},
        {"unheard_of": 1},
        {"unheard_of": False},
        {"cache": {"namespace": "a"}},
        {"metadata": {"cache_fabric_tenant": "acme"}},
        {"metadata": {"user_api_key_team_id": "acme", "user_api_key": "h"}},
        {"metadata": {"user_api_key": "h"}},
    ],
    ids=without_address,
)
def test_another_request(exact: CacheFabric, changed: dict[str, Any]) -> None:
    assert key(exact, **changed) != key(exact)


@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": "sk-2"},
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"timeout": 3},
        {"num_retries": 3},
        {"max_retries": 3},
        {"temperature": None},
        {"model": "openai/gpt-4o"},
        {"litellm_call_id": "x", "litellm_trace_id": "y", "litellm_session_id": "z"},
        {"litellm_logging_obj": object(), "client": object(), "shared_session": object()},
        {"parent_otel_span": object(), "logger_fn": print, "_context_compaction_state": object()},
        {"proxy_server_request": {"headers": {"authorization": "Bearer x"}}},
        {"secret_fields": object()},
        {"metadata": {"trace": "t"}},
        {"litellm_metadata": {"trace": "t"}},
        {"extra_headers": {"Authorization": "Bearer x"}},
        {"langfuse_secret_key": "x", "turn_off_message_logging": True},
        {"input_cost_per_token": 1, "output_cost_per_token": 2},
        {"cache": {"ttl": 5}},
        {"cache": {"no-store": True}},
        {"caching": True},
        {"model_info": {"id": "1"}, "tags": ["a"], "user_api_key_dict": object()},
        {"use_in_pass_through": False, "use_litellm_proxy": False, "drop_params": False},
    ],
    ids=without_address,
)
def test_the_same_request(exact: CacheFabric, changed: dict[str, Any]) -> None:
    assert key(exact, **changed) == key(exact)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"mock_response": "x"}, "a mock response"),
        ({"mock_tool_calls": []}, "a mock response"),
        ({"prompt_id": "p"}, "reads from elsewhere"),
        ({"unheard_of": object()}, "unheard_of holds a value of class object"),
        ({"tools": [object()]}, "tools holds a value of class object"),
        ({"messages": [object()]}, "of class object"),
        ({"messages": None, "input": "x", "conversation": "c"}, "what the provider keeps"),
        ({"messages": None, "input": "x", "background": True}, "what the provider keeps"),
        ({"messages": None, "prompt": ["a", "b"]}, "several prompts"),
        ({"messages": None}, "without a prompt"),
        ({"cache": {"ttl": 0}}, "ttl is not usable"),
        ({"cache": {"ttl": "x"}}, "ttl is not usable"),
        ({"cache": {"s-maxage": -1}}, "max_age is not usable"),
        ({"cache": {"similarity": 2}}, "is not usable"),
        ({"cache": {"policy": "x"}}, "policy is not usable"),
        ({"cache": {"namespace": 3}}, "namespace is not usable"),
        ({"cache": "x"}, "expected a mapping"),
    ],
    ids=without_address,
)
def test_no_request(exact: CacheFabric, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotCacheable, match=reason):
        Terms(exact).read({**PLAIN, **changed})


def test_openai_s_other_server_in_the_environment(
    exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(exact)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert key(exact) != before
    assert key(exact) == key(exact, api_base="http://127.0.0.1:1/v1")


def test_the_proxy_s_tenant_is_not_the_client_s_to_write(exact: CacheFabric) -> None:
    def tenant(**kwargs: Any) -> str | None:
        return Terms(exact).read({**PLAIN, **kwargs}).request.tenant

    forged = {"cache_fabric_tenant": "other", "user_api_key_team_id": "other"}
    assert tenant(metadata=forged, litellm_metadata={"user_api_key_team_id": "a"}) == "team:a"
    assert tenant(metadata={"cache_fabric_tenant": "b", "user_api_key": "h"}) == "key:h"
    assert tenant(metadata={"cache_fabric_tenant": "b", "user_api_key": None}) is None
    assert tenant(metadata={"cache_fabric_tenant": "b"}) == "b"
    assert tenant() is None


def test_the_tenant_of_a_rule(exact: CacheFabric) -> None:
    terms = Terms(exact, tenant=lambda kwargs: kwargs["metadata"]["org"], user="ann")
    request = terms.read({**PLAIN, "metadata": {"org": "acme"}}).request
    assert (request.tenant, request.user) == ("acme", "ann")


def test_the_controls_of_a_call() -> None:
    base = CacheOptions(ttl=60, tags=("t",))

    def options(longest: float | None = 60, **controls: Any) -> CacheOptions:
        return read_controls({"cache": controls}, base, longest).options

    assert read_controls({}, base, None).options is base
    assert options(ttl=5).ttl == 5
    assert options(ttl=10**9).ttl == 60
    assert options(longest=None, ttl=10**9).ttl == 10**9
    assert options(**{"s-maxage": 9}).max_age == options(**{"s-max-age": 9}).max_age == 9
    assert options(**{"s-maxage": 0}).refresh
    assert options(**{"no-cache": True}).refresh
    assert options(similarity=0.9).policy == Threshold(0.9)
    assert options(policy="exact").policy == ExactOnly()
    assert options(policy=Threshold(0.7)).policy == Threshold(0.7)
    assert options(ttl=5).tags == ("t",)
    assert not read_controls({"cache": {"no-store": True}}, base, None).keeps


def test_a_ttl_is_at_most_the_fabric_s() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=FabricConfig(ttl=30))
    asked = Terms(fabric).read({**PLAIN, "cache": {"ttl": 10**9}})
    assert asked.request.options.ttl == 30
    fabric.sync.close()
