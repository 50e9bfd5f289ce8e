"""A call has one key, whether LangChain or LiteLLM makes it, and one answer serves both."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.keys import derive
from cache_fabric.langchain import FabricCache, cached
from cache_fabric.langchain._call import read_call
from cache_fabric.litellm._terms import Terms
from fake_openai import Upstream
from litellm_host.asking import asked, eventually, litellm, lookups, stores

BASE = "http://127.0.0.1:9/v1"
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class City(BaseModel):
    name: str


def chat(**fields: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"model": "gpt-4o", "base_url": BASE, "api_key": "sk-1", **fields})


def exact_key(request: Any) -> str:
    return derive(request, secret=b"s", namespace="n", embedder="e").exact


def same(
    fabric: CacheFabric, model: ChatOpenAI, messages: Any, bound: Any, kwargs: dict[str, Any]
) -> bool:
    bound = dict(bound)
    ours = read_call(model, messages, bound.pop("stop", None), bound)
    theirs = Terms(fabric).read({"model": "gpt-4o", "api_base": BASE, "api_key": "sk-2", **kwargs})
    return exact_key(ours) == exact_key(theirs.request)


PARAMETERS = [
    ({}, {}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1.0}),
    ({"max_tokens": 9}, {"max_tokens": 9}),
    ({"max_tokens": 9}, {"max_completion_tokens": 9}),
    ({"seed": 3}, {"seed": 3}),
    ({"n": 2}, {"n": 2}),
    ({"n": 1}, {}),
    ({"frequency_penalty": 0.1}, {"frequency_penalty": 0.1}),
    ({"presence_penalty": 1}, {"presence_penalty": 1.0}),
    ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
    ({"logit_bias": {"5": -1}}, {"logit_bias": {"5": -1}}),
    ({"extra_body": {"top_k": 4}}, {"extra_body": {"top_k": 4}}),
    ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ({"organization": "org-1"}, {"organization": "org-1"}),
    ({"stop": ["x"]}, {"stop": "x"}),
    ({"timeout": 3, "max_retries": 1}, {"timeout": 9, "num_retries": 4}),
    ({"streaming": True}, {"stream": True, "stream_options": {"include_usage": True}}),
]


@pytest.mark.parametrize(("fields", "kwargs"), PARAMETERS)
def test_parameters(exact: CacheFabric, fields: Any, kwargs: Any) -> None:
    messages = [SystemMessage("be brief"), HumanMessage("hi")]
    told = [{"role": "system", "content": "be brief"}, *asked("hi")]
    assert same(exact, chat(**fields), messages, {}, {"messages": told, **kwargs})


@pytest.mark.parametrize("spelling", ["gpt-4o", "openai/gpt-4o"])
def test_the_model(exact: CacheFabric, spelling: str) -> None:
    kwargs = {"model": spelling, "messages": asked("hi")}
    assert same(exact, chat(), [HumanMessage("hi")], {}, kwargs)


def test_tools_a_schema_and_a_choice(exact: CacheFabric) -> None:
    bound = chat().bind_tools([WEATHER], tool_choice="get_weather").kwargs  # type: ignore[attr-defined]
    kwargs: dict[str, Any] = {
        "messages": asked("hi"),
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    }
    assert same(exact, chat(), [HumanMessage("hi")], bound, kwargs)
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    kwargs = {"messages": asked("hi"), "response_format": schema}
    assert same(exact, chat(), [HumanMessage("hi")], {"response_format": schema}, kwargs)
    kwargs = {"messages": asked("hi"), "response_format": City}
    assert same(exact, chat(), [HumanMessage("hi")], {"response_format": City}, kwargs)


def test_a_conversation_with_tools_and_pictures(exact: CacheFabric) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [
        SystemMessage("act", additional_kwargs={"__openai_role__": "developer"}),
        HumanMessage([{"type": "text", "text": "weather?"}, picture]),
        AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "a1"}]),
        ToolMessage("rain", tool_call_id="a1"),
        AIMessage("It rains.", id="m1", usage_metadata=None),
        HumanMessage("and now?", name="ann"),
    ]
    function = {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    told = [
        {"role": "developer", "content": "act"},
        {"role": "user", "content": [{"type": "text", "text": "weather?"}, picture]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "b7", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "b7", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
        {"role": "user", "name": "ann", "content": "and now?"},
    ]
    assert same(exact, chat(), messages, {}, {"messages": told})


def test_an_answer_of_litellm_put_back_into_the_conversation(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    answer = litellm.completion(messages=asked("hi"), **call).choices[0].message
    text = answer.content
    messages = [HumanMessage("hi"), AIMessage(text), HumanMessage("go on")]
    told = [*asked("hi"), answer, *asked("go on")]
    assert same(exact, chat(), messages, {}, {"messages": told})


@pytest.mark.parametrize(
    ("fields", "kwargs"),
    [
        ({"extra_body": {"a": 1}}, {"extra_body": {"a": 2}}),
        ({"temperature": 0}, {}),
        ({"base_url": "http://127.0.0.1:10/v1"}, {}),
        ({}, {"unknown_to_all": 1}),
        ({}, {"drop_params": True}),
        ({}, {"custom_llm_provider": "custom_openai"}),
    ],
)
def test_what_differs_stays_apart(exact: CacheFabric, fields: Any, kwargs: Any) -> None:
    asking = {"messages": asked("hi"), **kwargs}
    assert not same(exact, chat(**fields), [HumanMessage("hi")], {}, asking)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_kept_by_langchain_is_a_hit_through_litellm(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    model = chat(base_url=upstream.url, cache=FabricCache(enabled))
    said = model.invoke([HumanMessage("hello")])
    response = litellm.completion(messages=asked("hello"), stream=stream, **call)
    if stream:
        response = litellm.stream_chunk_builder(list(response))
    assert response.choices[0].message.content == said.content
    assert response.choices[0].finish_reason == "stop"
    assert len(upstream.calls) == 1
    assert lookups(events) == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_kept_by_litellm_is_a_hit_through_langchain(
    enabled: CacheFabric,
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    stream: bool,
) -> None:
    response = litellm.completion(messages=asked("hello"), stream=stream, **call)
    if stream:
        response = litellm.stream_chunk_builder(list(response))
    eventually(lambda: stores(events) == ["stored"])
    model = chat(base_url=upstream.url, cache=FabricCache(enabled))
    hit = model.invoke([HumanMessage("hello")])
    assert hit.content == response.choices[0].message.content
    assert hit.response_metadata["model_name"] == "gpt-4o"
    assert hit.response_metadata["cache_fabric"]["tier"] == "hot"
    assert len(upstream.calls) == 1


def test_a_call_of_a_tool_both_ways(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    model = chat(base_url=upstream.url, cache=FabricCache(enabled)).bind_tools([WEATHER])
    first = model.invoke([HumanMessage("weather in 'Oslo'")])
    response = litellm.completion(messages=asked("weather in 'Oslo'"), tools=[WEATHER], **call)
    (tool_call,) = response.choices[0].message.tool_calls
    assert tool_call.function.arguments == '{"city": "Oslo"}'
    litellm.completion(messages=asked("weather in 'Rome'"), tools=[WEATHER], **call)
    hit = model.invoke([HumanMessage("weather in 'Rome'")])
    assert isinstance(first, AIMessage)
    assert isinstance(hit, AIMessage)
    assert hit.tool_calls[0]["args"] == {"city": "Rome"}
    assert len(upstream.calls) == 2
    assert lookups(events) == ["miss", "hit", "miss", "hit"]


def test_a_class_as_the_format_comes_back_parsed(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    model = cached(chat(base_url=upstream.url), enabled)
    litellm.completion(messages=asked("the city 'Oslo'"), response_format=City, **call)
    eventually(lambda: stores(events) == ["stored"])
    parsed = model.with_structured_output(City).invoke([HumanMessage("the city 'Oslo'")])
    assert isinstance(parsed, City)
    hits = lookups(events).count("hit")
    assert hits == 2 - len(upstream.calls)


def test_an_answer_in_blocks_is_a_miss(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    """An entry under the same key whose content a chat completion cannot say."""
    from cache_fabric import Answer

    asking = {"messages": asked("hello"), **call}
    request = Terms(enabled).read(asking).request
    message: dict[str, Any] = {
        **{"type": "ai", "content": [{"type": "text", "text": "hi"}], "name": None, "extra": {}},
        **{"additional_kwargs": {}, "response_metadata": {}, "usage": None},
        **{"tool_calls": [], "invalid_tool_calls": []},
    }
    payload = {"generations": [{"kind": "ChatGeneration", "text": "hi", "message": message}]}
    enabled.sync.store(request, Answer(payload=payload, text="hi"))
    first = litellm.completion(**asking)
    second = litellm.completion(**asking)
    assert second.choices[0].message.content == first.choices[0].message.content != "hi"
    assert len(upstream.calls) == 1
    found = enabled.sync.get_metrics()
    assert (found["hits"], found["hits_reversed"]) == (2, 1)  # the first of them saved no call
    assert found["tokens_saved"] == second.usage.total_tokens
