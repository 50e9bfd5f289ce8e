"""Enabled and disabled: what was there comes back, and the seam is where it was."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import cache_fabric.litellm
from cache_fabric import CacheFabric
from cache_fabric.errors import ConfigurationError, ValidationError
from cache_fabric.litellm import disable, enable
from fake_openai import Upstream
from litellm_host.asking import asked, litellm

LISTS = (
    *("callbacks", "input_callback", "success_callback", "failure_callback"),
    *("_async_success_callback", "_async_failure_callback"),
)


def state() -> dict[str, Any]:
    return {"cache": litellm.cache, **{name: list(getattr(litellm, name)) for name in LISTS}}


def test_disable_restores_what_was_there(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    before = state()
    enable(exact)
    assert litellm.cache is not None
    litellm.completion(messages=asked("hi"), **call)  # copies the callbacks into other lists
    disable()
    assert state() == before
    disable()
    assert state() == before


def test_disable_restores_another_cache(exact: CacheFabric) -> None:
    litellm.cache = other = litellm.Cache()
    try:
        before = state()
        enable(exact)
        assert litellm.cache is not other
        disable()
        assert state() == before
    finally:
        litellm.cache = None
        for name in LISTS:
            entries = getattr(litellm, name)
            entries[:] = [entry for entry in entries if entry != "cache"]


def test_disable_leaves_a_cache_that_came_later(exact: CacheFabric) -> None:
    enable(exact)
    litellm.cache = other = litellm.Cache()
    disable()
    assert litellm.cache is other
    litellm.cache = None


def test_enabled_twice_it_has_the_new_terms_only(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact, tenant="a")
    litellm.completion(messages=asked("hi"), **call)
    enable(exact, tenant="b")
    assert len([c for c in litellm.callbacks if type(c).__name__ == "FabricLogger"]) == 1
    litellm.completion(messages=asked("hi"), **call)
    assert len(upstream.calls) == 2
    enable(exact, tenant="a")
    litellm.completion(messages=asked("hi"), **call)
    assert len(upstream.calls) == 2


def test_disabled_it_is_not_asked(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    enable(exact)
    litellm.completion(messages=asked("hi"), **call)
    disable()
    litellm.completion(messages=asked("hi"), **call)
    assert len(upstream.calls) == 2


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"fabric": "x"}, "fabric"),
        ({"tenant": ""}, "tenant"),
        ({"user": 3}, "user"),
        ({"options": {}}, "options"),
    ],
)
def test_what_cannot_be_used(exact: CacheFabric, arguments: dict[str, Any], field: str) -> None:
    before = state()
    with pytest.raises(ValidationError, match=field):
        enable(**{"fabric": exact, **arguments})
    assert state() == before


def test_without_what_litellm_needs_for_a_hit(
    exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM without its proxy extra raises out of the call that is a hit (1.106, 1.108)."""

    def without_fastapi(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named 'fastapi', for {name}", name="fastapi")

    before = state()
    monkeypatch.setattr("importlib.import_module", without_fastapi)
    with pytest.raises(ConfigurationError, match="without fastapi: pip install fastapi"):
        enable(exact)
    assert state() == before


def test_importing_the_package_imports_no_litellm() -> None:
    code = (
        "import sys, cache_fabric.litellm as p; assert 'litellm' not in sys.modules; "
        "assert sorted(p.__all__) == dir(p)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cache_fabric.litellm.nothing


def test_the_seam_is_where_it_was(exact: CacheFabric) -> None:
    """LiteLLM calls these on ``litellm.cache``; where that changes, use `completion` meanwhile."""
    kind = litellm.Cache
    for name in (
        *("get_cache", "async_get_cache", "add_cache", "async_add_cache"),
        *("async_add_cache_pipeline", "get_cache_key", "should_use_cache"),
    ):
        assert callable(getattr(kind, name)), f"litellm.Cache.{name} is gone"
    for name in ("async_get_cache", "async_add_cache"):
        assert "dynamic_cache_object" in inspect.signature(getattr(kind, name)).parameters
    enable(exact)
    for name in ("supported_call_types", "ttl", "namespace", "mode", "type", "max_messages"):
        assert hasattr(litellm.cache, name)
    handler = importlib_module("litellm.caching.caching_handler").LLMCachingHandler
    source = inspect.getsource(handler)
    for said in ("litellm.cache.get_cache(", "litellm.cache.async_get_cache(", "async_add_cache("):
        assert said in source, f"LiteLLM's caching handler no longer calls {said}...)"


async def test_what_litellm_asks_of_the_backend(enabled: CacheFabric) -> None:
    assert await litellm.cache.ping() is True
    await litellm.cache.disconnect()
    await litellm.cache.delete_cache_keys(["x"])
    assert litellm.cache.cache.get_cache("x") is None
    assert await litellm.cache.cache.async_get_cache("x") is None
    assert litellm.cache.supports_async() is True


def importlib_module(name: str) -> Any:
    return __import__(name, fromlist=["x"])
