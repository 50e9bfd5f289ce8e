"""The parts of the proxy's hook, without a proxy: tenants, settings, headers, prompts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from litellm.proxy._types import UserAPIKeyAuth

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import ConfigurationError, NotCacheable
from cache_fabric.litellm_proxy._headers import headers_of
from cache_fabric.litellm_proxy._hook import FabricHook
from cache_fabric.litellm_proxy._prompts import PromptError, resolve
from cache_fabric.litellm_proxy._settings import read_settings
from cache_fabric.litellm_proxy._tenants import ProxyTenants

HASH = "a" * 64


def key(**fields: Any) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(**{"api_key": HASH, **fields})


@pytest.mark.parametrize(
    ("parts", "fields", "tenant"),
    [
        (("team",), {"team_id": "blue"}, "team:blue"),
        (("team",), {}, f"key:{HASH}"),
        (("key",), {"team_id": "blue"}, f"key:{HASH}@blue"),
        (("org", "team"), {"org_id": "o", "team_id": "t"}, "org:o/team:t"),
        (("org", "team"), {"org_id": "o"}, f"org:o/key:{HASH}"),
        (("team", "end_user"), {"team_id": "t", "end_user_id": "u"}, "team:t/end_user:u"),
        (("team", "end_user"), {"team_id": "t"}, f"team:t/key:{HASH}@t"),
        (("team",), {"team_id": "a/key:b"}, "team:a%2Fkey%3Ab"),
        (("team",), {"api_key": None}, None),
    ],
)
def test_tenants(parts: tuple[str, ...], fields: dict[str, Any], tenant: str | None) -> None:
    assert ProxyTenants(parts).of_key(key(**fields)) == tenant


@pytest.mark.parametrize("secret", ["sk-a-key", "a key of a custom verification"])
def test_no_key_is_told_as_it_is(secret: str) -> None:
    told = ProxyTenants(("key",)).of_key(UserAPIKeyAuth(api_key=secret))
    assert told is not None
    assert secret not in told


def test_a_tenant_is_never_too_long() -> None:
    told = ProxyTenants(("org", "team")).of_key(key(org_id="ö" * 500, team_id="t" * 500))
    assert told is not None
    assert len(told) < 512


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"metadata": {"user_api_key_team_id": "blue", "user_api_key": HASH}},
        {"metadata": {"user_api_key_auth": {"team_id": "blue", "api_key": HASH}}},
        {"user_api_key_auth": key(team_id="blue")},
    ],
)
def test_what_json_can_say_names_no_tenant(forged: dict[str, Any]) -> None:
    with pytest.raises(NotCacheable):
        ProxyTenants()(forged)


def settings(path: Path, text: str, **environ: str) -> Any:
    path.write_text(text)
    return read_settings({"CACHE_FABRIC_PROXY_CONFIG": str(path), **environ})


def test_settings_of_a_file(tmp_path: Path) -> None:
    read = settings(
        tmp_path / "config.yaml",
        """
model_list: []
cache_fabric:
  backend: memory
  namespace: prod
  ttl: 60
  secret: os.environ/SECRET
  max_error: 0.02
  tenant: [team, end_user]
  track: false
  limits: {stale_if_error: 5, repeatable_tools: [weather]}
""",
        SECRET="hidden",
    )
    fabric = read.make_fabric()
    assert (read.tenant.parts, read.track) == (("team", "end_user"), False)
    assert (fabric.config.namespace, fabric.config.ttl) == ("prod", 60)
    assert fabric.config.secret == b"hidden"
    assert fabric.config.repeatable_tools == {"weather"}
    assert fabric.policy.max_error == 0.02


def test_settings_of_the_environment() -> None:
    read = read_settings(
        {
            "CACHE_BACKEND": "memory",
            "CACHE_FABRIC_NAMESPACE": "prod",
            "CACHE_FABRIC_PROXY_TENANT": "org, team",
            "CACHE_FABRIC_PROXY_TRACK": "false",
        }
    )
    assert (read.tenant.parts, read.track) == (("org", "team"), False)
    assert read.make_fabric().config.namespace == "prod"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "has no mapping cache_fabric:"),
        ("cache_fabric: {ttl: [", "is not YAML"),
        ("cache_fabric: {url: os.environ/NOT_THERE}", "cache_fabric.url: the environment has no"),
        ("cache_fabric: {tenant: name}", "tenant: expected one or several of team"),
        ("cache_fabric: {track: 1}", "cache_fabric.track"),
        ("cache_fabric: {limits: {exact: 1}}", "cache_fabric.limits: unknown 'exact'"),
        ("cache_fabric: {limits: {exact_timeout: soon}}", "exact_timeout: expected seconds"),
        ("cache_fabric: {backend: redis, uri: x}", "uri: unknown option of backend 'redis'"),
        ("cache_fabric: {backend: rediss}", "backend: unknown 'rediss'"),
        ("cache_fabric: {max_error: 0.1, similarity: 0.9}", "max_error or similarity, not both"),
        ("cache_fabric: {similarity: near}", "similarity: expected a number"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=None) as raised:
        settings(tmp_path / "config.yaml", text).make_fabric()
    assert told in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        read_settings({"CACHE_FABRIC_PROXY_CONFIG": str(tmp_path / "none.yaml")})


HIT = {"outcome": "hit", "tier": "exact", "similarity": 1.0, "age": 2.5, "entry_id": "key.1a2b"}


def test_headers_of_a_hit_show_no_key() -> None:
    headers = headers_of({**HIT, "saved_cost": 0.00125}, "run", [{"key": "süd", "version": 3}])
    assert headers == {
        "x-cache-fabric": "hit",
        "x-cache-fabric-tier": "exact",
        "x-cache-fabric-similarity": "1.0000",
        "x-cache-fabric-age": "2.500",
        "x-cache-fabric-entry": "1a2b",
        "x-cache-fabric-saved": "0.001250",
        "x-cache-fabric-execution": "run",
        "x-cache-fabric-prompt": "s%C3%BCd@3",
        "x-litellm-response-cost": "0.0",
    }


def test_an_unknown_price_is_not_told_as_nothing() -> None:
    assert "x-cache-fabric-saved" not in headers_of({**HIT, "saved_cost": None}, None)


@pytest.mark.parametrize("said", [None, {"outcome": "bypass", "reason": "x"}, {"outcome": "odd"}])
def test_what_was_not_looked_up_is_a_bypass(said: Any) -> None:
    assert headers_of(said, None) == {"x-cache-fabric": "bypass"}


async def test_prompts_of_messages_and_tools(fabric: CacheFabric) -> None:
    tool = {"type": "function", "function": {"name": "look_up"}}
    messages = [
        {"role": "system", "content": "For {shop}."},
        {"role": "user", "content": [{"type": "text", "text": "I am {{name}}"}]},
    ]
    await fabric.set_context("sales", {"messages": messages, "tools": [tool]})
    values = {"shop": "Alpine {name}", "name": "Ann"}
    data = {"prompt_id": "sales", "prompt_variables": values, "messages": [{"role": "user"}]}
    prompt = await resolve(fabric, data, None)
    prompt.put_into(data)
    assert data == {
        "messages": [
            {"role": "system", "content": "For Alpine {name}."},
            {"role": "user", "content": [{"type": "text", "text": "I am Ann"}]},
            {"role": "user"},
        ],
        "tools": [tool],
    }
    assert prompt.context == {"key": "sales", "version": 1, "behaviour": 1}


async def test_a_tenants_own_prompt_stands_above_the_common_one(fabric: CacheFabric) -> None:
    from cache_fabric import ContextScope

    await fabric.set_context("tone", "common")
    await fabric.set_context("tone", "ours", ContextScope.TENANT, tenant="team:blue")
    told = [(await resolve(fabric, {"prompt_id": "tone"}, t)).messages for t in ("team:blue", None)]
    assert [messages[0]["content"] for messages in told] == ["ours", "common"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt_id": ["a"]}, "prompt_id"),
        ({"prompt_id": ""}, "prompt_id"),
        ({"prompt_id": "count"}, "prompt_id"),
        ({"prompt_id": "tone", "prompt_version": 0}, "prompt_version"),
        ({"prompt_id": "tone", "prompt_version": "new"}, "prompt_version"),
        ({"prompt_id": "tone", "prompt_version": True}, "prompt_version"),
        ({"prompt_id": "tone", "prompt_label": 1}, "prompt_label"),
        ({"prompt_id": "tone", "prompt_label": "a", "prompt_version": 1}, "prompt_label"),
        ({"prompt_id": "tone", "prompt_variables": {"x": {}}}, "prompt_variables"),
        ({"prompt_id": "tone", "prompt_variables": {}}, "prompt_variables"),
    ],
)
async def test_a_prompt_that_cannot_be_had(
    fabric: CacheFabric, fields: dict[str, Any], field: str
) -> None:
    await fabric.set_context("tone", "Be {mood}.")
    await fabric.set_context("count", 5)
    with pytest.raises(PromptError) as raised:
        await resolve(fabric, fields, None)
    assert (raised.value.field, raised.value.status) == (field, 400)


async def test_prompts_that_cannot_be_read_are_no_fault_of_the_request() -> None:
    fabric = create_cache_fabric("redis", url="redis://127.0.0.1:9")
    with pytest.raises(PromptError) as raised:
        await resolve(fabric, {"prompt_id": "tone"}, None)
    assert raised.value.status == 503
    await fabric.aclose()


async def test_the_hook_takes_out_what_only_the_proxy_may_say(fabric: CacheFabric) -> None:
    hook = FabricHook(fabric, ProxyTenants(), track=True)
    forged = {"cache_fabric_call": "mine", "cache_fabric_contexts": [1], "cache_fabric_x": 1}
    data = {"model": "m", "metadata": {**forged, "user_api_key_auth": key(), "own": 1}}
    told = await hook.async_pre_call_hook(key(), None, data, "acompletion")
    metadata = told["metadata"]
    assert metadata.pop("cache_fabric_call") != "mine"
    assert metadata.pop("cache_fabric_contexts") == []
    assert set(metadata) == {"user_api_key_auth", "own"}


async def test_a_hook_that_fails_fails_no_call(
    fabric: CacheFabric, caplog: pytest.LogCaptureFixture
) -> None:
    hook = FabricHook(fabric, ProxyTenants(), track=True)
    data = {"metadata": {"user_api_key_auth": key(), 5: "a name that is no text"}}
    assert await hook.async_pre_call_hook(key(), None, data, "acompletion") is data
    assert "the cache: AttributeError" in caplog.text
    assert await hook.async_post_call_response_headers_hook(None, key(), None) is None  # type: ignore[arg-type]


def test_the_hooks_are_on_the_class_itself_with_litellms_names() -> None:
    from litellm.integrations.custom_logger import CustomLogger

    for name in ("async_pre_call_hook", "async_post_call_response_headers_hook"):
        ours, theirs = vars(FabricHook)[name], getattr(CustomLogger, name)
        count = theirs.__code__.co_argcount
        assert ours.__code__.co_varnames[:count] == theirs.__code__.co_varnames[:count]


PROGRAM = """
import json, sys
import cache_fabric.litellm_proxy as package
before = [name for name in ("litellm", "redis", "fastapi") if name in sys.modules]
hook = package.fabric_hook
import litellm
print(json.dumps([before, hook is package.fabric_hook, type(litellm.cache).__name__]))
"""


def test_the_name_alone_starts_it_and_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment(), "CACHE_BACKEND": "memory"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], True, "FabricCache"]


def environment() -> dict[str, str]:
    import os

    kept = {n: v for n, v in os.environ.items() if not n.startswith("CACHE_FABRIC_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
