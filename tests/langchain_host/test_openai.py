"""ChatOpenAI over a fake transport: what a real integration writes comes back whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, SecretStr

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import FabricCache

USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


class Upstream:
    """Answers like OpenAI and counts what it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.message: dict[str, Any] = {"role": "assistant", "content": '{"city": "Oslo"}'}
        self.finish = "stop"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        asked = json.loads(request.content)
        if request.url.path.endswith("/responses"):
            return httpx.Response(200, json=self._response())
        choices = range(asked.get("n") or 1)
        return httpx.Response(
            200,
            headers={"x-request-id": f"req-{self.calls}"},
            json={
                "id": f"chatcmpl-{self.calls}",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-4o",
                "usage": USAGE,
                "choices": [
                    {"index": i, "message": self.message, "finish_reason": self.finish, "text": "x"}
                    for i in choices
                ],
            },
        )

    def _response(self) -> dict[str, Any]:
        text = {"type": "output_text", "text": "Oslo.", "annotations": []}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}
        return {
            "id": f"resp_{self.calls}",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "gpt-4o",
            "output": [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {**message, "status": "completed"},
            ],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 1,
                "output_tokens": 2,
                "total_tokens": 3,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def connect(upstream: Upstream, cache: FabricCache) -> Callable[..., ChatOpenAI]:
    def make(**options: Any) -> ChatOpenAI:
        client = httpx.Client(transport=httpx.MockTransport(upstream))
        base = {"model": "gpt-4o", "api_key": "sk-1", "base_url": "http://fake.invalid/v1"}
        return ChatOpenAI(**{**base, "http_client": client, "cache": cache, **options})

    return make


def differences(one: AIMessage, other: AIMessage) -> set[str]:
    """Names of the fields in which two messages differ."""
    a, b = one.model_dump(), other.model_dump()
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def test_a_hit_differs_in_the_documented_fields_only(
    connect: Callable[..., ChatOpenAI], upstream: Upstream
) -> None:
    model = connect()
    missed, hit = model.invoke("city?"), model.invoke("city?")
    assert upstream.calls == 1
    assert differences(missed, hit) == {"id", "response_metadata", "usage_metadata"}
    expected = {**missed.response_metadata}
    del expected["id"]
    got = {**hit.response_metadata}
    del got["cache_fabric"]
    assert got == expected


@pytest.mark.parametrize("version", [None, "v0", "responses/v1", "v1"])
def test_the_responses_api(
    connect: Callable[..., ChatOpenAI], upstream: Upstream, version: str | None
) -> None:
    options = {} if version is None else {"output_version": version}
    model = connect(use_responses_api=True, **options)
    missed, hit = model.invoke("city?"), model.invoke("city?")
    assert upstream.calls == 1
    assert hit.text == missed.text == "Oslo."
    told = repr(hit)
    assert [i for i in ("resp_1", "msg_1", "rs_1") if i in told] == []


@pytest.mark.parametrize("version", ["v0", "responses/v1", "v1"])
def test_a_conversation_over_the_responses_api(
    connect: Callable[..., ChatOpenAI], upstream: Upstream, version: str
) -> None:
    model = connect(use_responses_api=True, output_version=version)
    for _ in range(2):
        first = model.invoke([HumanMessage("city?")])
        model.invoke([HumanMessage("city?"), first, HumanMessage("sure?")])
    assert upstream.calls == 2


def test_several_answers(connect: Callable[..., ChatOpenAI], upstream: Upstream) -> None:
    model = connect(n=2)
    question: Any = [HumanMessage("city?")]
    model.generate([question])
    assert len(model.generate([question]).generations[0]) == 2
    assert upstream.calls == 1


def test_another_key_timeout_or_retry_is_the_same_request(
    connect: Callable[..., ChatOpenAI], upstream: Upstream
) -> None:
    connect(api_key="sk-1", timeout=1, max_retries=0).invoke("city?")
    connect(api_key="sk-2", timeout=2, max_retries=1).invoke("city?")
    assert upstream.calls == 1


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.5},
        {"base_url": "http://other.invalid/v1"},
        {"organization": "acme"},
        {"extra_body": {"top_k": 3}},
        {"logit_bias": {5: 1}},
        {"seed": 0},
    ],
)
def test_every_other_setting_is_another_request(
    connect: Callable[..., ChatOpenAI], upstream: Upstream, options: dict[str, Any]
) -> None:
    connect().invoke("city?")
    connect(**options).invoke("city?")
    assert upstream.calls == 2


class City(BaseModel):
    city: str


SCHEMA = {"title": "City", "type": "object", "properties": {"city": {"type": "string"}}}


def test_structured_output_by_a_json_schema(
    connect: Callable[..., ChatOpenAI], upstream: Upstream
) -> None:
    model = connect().with_structured_output(SCHEMA, method="json_schema")
    assert [model.invoke("city?") for _ in range(2)] == [{"city": "Oslo"}] * 2
    assert upstream.calls == 1


def test_another_description_in_the_schema_is_another_request(
    connect: Callable[..., ChatOpenAI], upstream: Upstream
) -> None:
    for description in ("a city", "a town"):
        schema = {**SCHEMA, "description": description}
        connect().with_structured_output(schema, method="json_schema").invoke("city?")
    assert upstream.calls == 2


def test_structured_output_by_a_class_is_a_counted_bypass(
    connect: Callable[..., ChatOpenAI], upstream: Upstream, events: list[Event]
) -> None:
    model = connect().with_structured_output(City, method="json_schema")
    assert [model.invoke("city?") for _ in range(2)] == [City(city="Oslo")] * 2
    assert upstream.calls == 2
    assert [getattr(event, "outcome", "") for event in events] == ["bypass", "bypass"]


def test_a_class_hidden_in_the_constructor_is_a_bypass_too(
    connect: Callable[..., ChatOpenAI], events: list[Event]
) -> None:
    connect(model_kwargs={"response_format": City}).invoke("city?")
    assert [getattr(event, "outcome", "") for event in events] == ["bypass"]


def test_structured_output_by_a_tool_needs_the_tool_declared(
    connect: Callable[..., ChatOpenAI], upstream: Upstream
) -> None:
    function = {"name": "City", "arguments": '{"city": "Oslo"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    upstream.message = {"role": "assistant", "content": None, "tool_calls": [call]}
    upstream.finish = "tool_calls"
    model = connect().with_structured_output(City, method="function_calling")
    assert [model.invoke("city?") for _ in range(2)] == [City(city="Oslo")] * 2
    assert upstream.calls == 2


def test_a_refusal_is_not_stored(connect: Callable[..., ChatOpenAI], upstream: Upstream) -> None:
    upstream.message = {"role": "assistant", "content": "no", "refusal": "I cannot"}
    model = connect()
    model.invoke("city?")
    model.invoke("city?")
    assert upstream.calls == 2


def test_a_completion_model(upstream: Upstream, cache: FabricCache) -> None:
    client = httpx.Client(transport=httpx.MockTransport(upstream))
    model = OpenAI(
        api_key=SecretStr("sk-1"),
        base_url="http://fake.invalid/v1",
        http_client=client,
        cache=cache,
    )
    assert model.generate(["a"]).generations == model.generate(["a"]).generations
    assert upstream.calls == 1


def test_a_recipe_holds_no_secret_of_the_model(
    connect: Callable[..., ChatOpenAI], exact: CacheFabric
) -> None:
    exact.sync.set_context("router", "You are a guide.")
    model = connect(
        api_key="sk-canary-1",
        default_headers={"Authorization": "Bearer canary-2", "X-Team": "travel"},
        default_query={"api_key": "canary-3"},
    )
    model.invoke([("system", "You are a guide."), ("user", "city?")])
    exact.sync.flush()

    async def kept() -> list[bytes]:
        return [value async for _, value in exact._life().parts.store.scan("r/")]

    recipes = exact._life().portal.call(kept)
    assert len(recipes) == 1
    assert b"canary" not in recipes[0]
    assert b"travel" in recipes[0]
