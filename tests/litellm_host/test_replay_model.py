"""The model of ``executions replay``: what a recipe says is what goes over the wire."""

from __future__ import annotations

import pytest

from cache_fabric import CacheRequest, Usage
from cache_fabric.cli._litellm_model import litellm_model
from cache_fabric.errors import ValidationError
from cache_fabric.types import Answer
from fake_openai import Upstream


async def test_it_asks_what_the_recipe_says(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    request = CacheRequest(
        model="gpt-4o",
        messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}],
        params={"provider": "openai", "temperature": 0.0, "_type": "chat"},
    )
    answer, usage = await litellm_model("openai/gpt-4o-mini")(request)
    assert isinstance(answer, Answer)
    assert answer.text
    assert answer.finish_reasons == ("stop",)
    assert isinstance(usage, Usage)
    [call] = upstream.calls
    assert call.body["messages"] == list(request.messages)
    assert (call.body["model"], call.body["temperature"]) == ("gpt-4o-mini", 0.0)
    assert not {"provider", "_type"} & set(call.body)


async def test_calls_of_tools_are_not_replayed() -> None:
    messages = [{"role": "tool", "content": "5", "tool_call_id": "0"}]
    with pytest.raises(ValidationError, match="tools"):
        await litellm_model("openai/gpt-4o-mini")(CacheRequest(model="m", messages=messages))
