"""A wrapped ``ChatOpenAI`` is a ``ChatOpenAI``, over an imitation of OpenAI's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.runnables import ConfigurableField
from langchain_openai import ChatOpenAI
from openai import APIConnectionError
from pydantic import BaseModel, SecretStr, create_model

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricChatModel, cached
from fake_openai import Upstream
from langchain_host.streams import merged

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def exact() -> Iterator[CacheFabric]:
    """A fabric that keeps calls of one tool."""
    config = FabricConfig(repeatable_tools=frozenset({"get_weather"}))
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    yield fabric
    fabric.sync.close()


MakeOpenAI = Callable[..., ChatOpenAI]


def test_it_is_of_its_own_class_and_a_fabric_chat_model(
    openai: MakeOpenAI, exact: CacheFabric
) -> None:
    plain = openai()
    wrapped = FabricChatModel(plain, exact)
    assert isinstance(wrapped, ChatOpenAI)
    assert isinstance(wrapped, FabricChatModel)
    assert not isinstance(plain, FabricChatModel)
    assert repr(type(wrapped)) == repr(ChatOpenAI)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_it_is_written_and_read_back_as_the_plain_model(
    openai: MakeOpenAI, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    plain = openai()
    wrapped = cached(plain, exact)
    list(wrapped.stream("hi"))
    assert dumps(wrapped) == dumps(plain)
    read = loads(dumps(wrapped), allowed_objects=[ChatOpenAI], secrets_from_env=True)
    assert type(read) is ChatOpenAI
    assert wrapped._get_ls_params() == plain._get_ls_params()


def test_tokens_are_counted_by_the_model(openai: MakeOpenAI, exact: CacheFabric) -> None:
    class Counted(ChatOpenAI):
        def get_num_tokens(self, text: str) -> int:
            return len(text.split())

    plain = Counted(model="gpt-4o", api_key=SecretStr("sk-1"))
    assert cached(plain, exact).get_num_tokens("one two") == 2


def test_wrapping_again_changes_the_terms_and_nothing_else(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    once = cached(openai(), exact)
    again = cached(once, exact)
    assert type(again) is type(once)
    other = cached(once, exact, tenant="acme")
    same = cached(cached(other, exact, replay="natural"), exact)  # nobody loses its tenant
    for model in (once, again, other, other, same):
        model.invoke("hi")
    assert len(upstream.calls) == 2
    assert type(other).__mro__.count(ChatOpenAI) == 1
    assert len(type(other).__mro__) == len(type(once).__mro__)


def test_configured_fields_keep_the_fabric(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    model = cached(openai(), exact).configurable_fields(temperature=ConfigurableField(id="t"))
    for value in (0.1, 0.9, 0.1):
        model.with_config(configurable={"t": value}).invoke("hi")
    assert len(upstream.calls) == 2


def test_copies_keep_the_fabric(openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream) -> None:
    wrapped = cached(openai(), exact)
    wrapped.invoke("hi")
    for _ in range(2):
        wrapped.model_copy(update={"temperature": 0.3}).invoke("hi")
    assert len(upstream.calls) == 2
    wrapped.temperature = 0.7
    wrapped.invoke("hi")
    assert len(upstream.calls) == 3


def test_retries_and_fallbacks(openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream) -> None:
    wrapped = cached(openai(), exact)
    upstream.fail("500", 2)
    retrying = wrapped.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    first = retrying.invoke("hi")
    assert retrying.invoke("hi").text == first.text
    assert len(upstream.calls) == 3
    upstream.fail("500")
    falling = wrapped.with_fallbacks([openai(model="gpt-4o-mini")])
    assert falling.invoke("ho").text
    assert len(upstream.calls) == 5


def test_bound_tools(openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream) -> None:
    model = cached(openai(), exact).bind_tools([WEATHER])
    question = 'the weather in "Oslo"?'
    answers = [model.invoke(question), model.invoke(question), merged(list(model.stream(question)))]
    assert len(upstream.calls) == 1
    (args,) = {str(answer.tool_calls[0]["args"]) for answer in answers}
    assert "Oslo" in args
    assert len({answer.tool_calls[0]["id"] for answer in answers}) == 3


def test_conversation_with_tools_has_one_key(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    model = cached(openai(), exact).bind_tools([WEATHER])
    question = HumanMessage('the weather in "Oslo"?')
    for stream in (False, True, False):
        first: Any = merged(list(model.stream([question]))) if stream else model.invoke([question])
        result = ToolMessage("rain", tool_call_id=first.tool_calls[0]["id"])
        assert "rain" in model.invoke([question, first, result]).text
    assert len(upstream.calls) == 2


class Reply(BaseModel):
    city: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(openai: MakeOpenAI, upstream: Upstream, method: Any) -> None:
    config = FabricConfig(repeatable_tools=frozenset({"Reply"}))
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        model = cached(openai(), fabric._fabric).with_structured_output(Reply, method=method)
        answers = [model.invoke("hi"), model.invoke("hi"), list(model.stream("hi"))[-1]]
    assert len(upstream.calls) == 1
    assert all(type(answer) is Reply for answer in answers)
    assert answers[0] == answers[1] == answers[2]


def test_edited_schema_is_another_request_and_gives_the_new_class(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    wrapped = cached(openai(), exact)
    old = create_model("Reply", __module__="__main__", city=(str, ...))
    new = create_model("Reply", __module__="__main__", city=(str, ...), country=(str, ...))
    again = create_model("Reply", __module__="__main__", city=(str, ...), country=(str, ...))
    assert repr(old) == repr(new)
    for schema in (old, new, again):
        assert type(wrapped.with_structured_output(schema).invoke("hi")) is schema
    assert len(upstream.calls) == 2


def differences(one: AIMessage, other: AIMessage) -> set[str]:
    a, b = one.model_dump(), other.model_dump()
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def test_hit_differs_in_the_documented_fields_only(openai: MakeOpenAI, exact: CacheFabric) -> None:
    model = cached(openai(), exact)
    missed, hit = model.invoke("hi"), model.invoke("hi")
    assert differences(missed, hit) == {"id", "response_metadata", "usage_metadata"}
    expected, got = {**missed.response_metadata}, {**hit.response_metadata}
    del expected["id"], got["cache_fabric"]
    assert got == expected


def anonymous(content: Any) -> Any:
    """Content without places in a stream and without ids of the provider's."""
    if isinstance(content, str):
        return content
    passing = ("call_id", "extras", "id", "index")
    return [{k: v for k, v in block.items() if k not in passing} for block in content]


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output_version": "v1"},
        {"use_responses_api": True},
        {"use_responses_api": True, "output_version": "v0"},
        {"use_responses_api": True, "output_version": "v1"},
    ],
)
def test_replay_has_the_form_of_a_live_stream(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream, options: Any, tools: bool
) -> None:
    model: Any = cached(openai(**options), exact)
    if tools:
        model = model.bind_tools([WEATHER])
    live = merged(list(model.stream('the weather in "Oslo"?')))
    kept = merged(list(model.stream('the weather in "Oslo"?')))
    assert len(upstream.calls) == 1
    assert anonymous(live.content_blocks) == anonymous(kept.content_blocks)
    assert anonymous(live.content) == anonymous(kept.content)
    assert [c["args"] for c in live.tool_calls] == [c["args"] for c in kept.tool_calls]
    assert kept.response_metadata.get("model_name") == live.response_metadata.get("model_name")


@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("version", [None, "v1"])
async def test_calls_and_streams_share_an_entry_in_every_form(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream, responses: bool, version: str | None
) -> None:
    forms = {"use_responses_api": responses, "output_version": version}
    model = cached(openai(**{k: v for k, v in forms.items() if v}), exact)
    first = model.invoke("hi")
    hits = [model.invoke("hi"), await model.ainvoke("hi"), merged(list(model.stream("hi")))]
    hits.append(merged([chunk async for chunk in model.astream("hi")]))
    assert len(upstream.calls) == 1
    assert {hit.text for hit in hits} == {first.text}
    assert {type(hit.content) for hit in hits} == {type(first.content)}


def test_streams_ask_for_usage_unless_they_are_told_not_to(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    whole = merged(list(cached(openai(), exact).stream("hi")))
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] > 0
    list(cached(openai(stream_usage=False), exact).stream("ho"))
    asked = [call.body.get("stream_options") for call in upstream.calls]
    assert asked == [{"include_usage": True}, None]


@pytest.mark.parametrize("fault", ["cut", "length", "content_filter"])
def test_stream_that_the_provider_did_not_finish_is_not_kept(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream, fault: str
) -> None:
    model = cached(openai(), exact)
    upstream.fail(fault)
    if fault == "cut":
        with pytest.raises((httpx.TransportError, APIConnectionError)):
            list(model.stream("hi"))
    else:
        list(model.stream("hi"))
    list(model.stream("hi"))
    list(model.stream("hi"))
    assert len(upstream.calls) == 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output_version": "v1"},
        {"use_responses_api": True},
        {"use_responses_api": True, "output_version": "v0"},
        {"use_responses_api": True, "output_version": "v1"},
    ],
)
def test_follower_reads_the_same_under_ids_of_its_own(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream, options: Any
) -> None:
    model = cached(openai(**options), exact).bind_tools([WEATHER])
    for question in ("hi", 'the weather in "Oslo"?'):
        leading, following = model.stream(question), model.stream(question)
        first = [next(leading), next(following)]
        followed, led = merged([first[1], *following]), merged([first[0], *leading])
        assert anonymous(followed.content_blocks) == anonymous(led.content_blocks)
        assert followed.id != led.id
        told = repr((followed.content, followed.tool_calls, followed.additional_kwargs))
        assert [name for name in ("msg_", "rs_", "fc_", "call_1_", "call_2_") if name in told] == []
        if question == "hi":
            assert followed.response_metadata["cache_fabric"]["tier"] == "flight"
    assert len(upstream.calls) == 2
