"""The imitation of OpenAI's API, asked through OpenAI's own client."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from fake_openai import Upstream

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "color": {"enum": ["red", "blue"]},
        "score": {"type": "number", "minimum": 2, "exclusiveMaximum": 5},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}, "minItems": 2},
        "sure": {"type": "boolean"},
    },
    "required": ["name", "color", "score", "tags", "sure"],
    "additionalProperties": False,
    "$defs": {"Tag": {"type": "object", "properties": {"label": {"const": "x"}}}},
}


@pytest.fixture
def client(upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=upstream.url, api_key="k", max_retries=0, timeout=20) as made:
        yield made


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": "m", "messages": messages, **options})


def test_the_same_request_gets_the_same_words_and_another_one_others(
    client: openai.OpenAI,
) -> None:
    texts = [
        ask(client, "hello", **options).choices[0].message.content
        for options in ({}, {}, {"seed": 1}, {"model": "n"})
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_stream_says_what_a_plain_answer_says(client: openai.OpenAI) -> None:
    plain = ask(client, "hello there")
    chunks = list(ask(client, "hello there", stream=True, stream_options={"include_usage": True}))
    told = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(told) == plain.choices[0].message.content
    assert len([piece for piece in told if piece]) > 3
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == plain.usage


def test_streamed_tool_calls_come_in_fragments(client: openai.OpenAI) -> None:
    text = "the weather in 'Oslo' for 3 days"
    (call,) = ask(client, text, tools=[TOOL]).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Oslo", "days": 3}
    deltas = [
        chunk.choices[0].delta.tool_calls[0]
        for chunk in ask(client, text, tools=[TOOL], stream=True)
        if chunk.choices[0].delta.tool_calls
    ]
    assert len(deltas) > 2
    assert {delta.index for delta in deltas} == {0}
    assert "".join(d.function.arguments for d in deltas) == call.function.arguments


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", False),
        ("auto", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
def test_tool_choice_is_honoured(client: openai.OpenAI, choice: Any, called: bool) -> None:
    answer = ask(client, "hello", tools=[TOOL], tool_choice=choice)
    assert bool(answer.choices[0].message.tool_calls) is called
    assert answer.choices[0].finish_reason == ("tool_calls" if called else "stop")


def test_an_answer_after_a_tool_repeats_its_result(client: openai.OpenAI) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]
    answer = ask(client, "", messages=messages, tools=[TOOL]).choices[0].message
    assert "sunny" in answer.content


def test_a_schema_gets_a_valid_instance(client: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
    answer = ask(client, "a blue one, 4 of 5", response_format=wanted).choices[0].message.content
    assert json.loads(answer) == {
        "name": "the name",
        "color": "blue",
        "score": 4.0,
        "tags": [{"label": "x"}, {"label": "x"}],
        "sure": True,
    }


def test_n_stop_and_max_tokens(client: openai.OpenAI) -> None:
    assert len({choice.message.content for choice in ask(client, "hello", n=3).choices}) == 3
    assert ask(client, "hello", stop=["hello"]).choices[0].message.content == "You said: "
    cut = ask(client, "hello", max_tokens=2)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 2


def test_the_responses_api_plain_and_streamed(client: openai.OpenAI) -> None:
    plain = client.responses.create(model="m", input="hello")
    *_, last = client.responses.create(model="m", input="hello", stream=True)
    assert last.type == "response.completed"
    assert last.response.output_text == plain.output_text
    assert last.response.usage == plain.usage


def test_embeddings_of_texts_with_common_words_are_near(client: openai.OpenAI) -> None:
    texts = ["red apples", "red pears", "a very old ship"]
    asked = client.embeddings.create(model="e", input=texts)
    apples, pears, ship = (one.embedding for one in asked.data)
    assert asked == client.embeddings.create(model="e", input=texts, encoding_format="float")
    assert _dot(apples, pears) > _dot(apples, ship)
    assert _dot(apples, apples) == pytest.approx(1, abs=1e-5)


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("cut", Exception),
    ],
)
def test_faults_reach_the_client(
    client: openai.OpenAI, upstream: Upstream, stream: bool, fault: str, error: type[Exception]
) -> None:
    upstream.fail(fault)
    with pytest.raises(error):
        list(ask(client, "hello", stream=stream))
    assert ask(client, "hello").choices[0].finish_reason == "stop"


@pytest.mark.parametrize("fault", ["length", "content_filter"])
def test_half_answers_say_so(client: openai.OpenAI, fault: str) -> None:
    answer = ask(client, "hello there", extra_headers={"x-fake-fault": fault})
    assert answer.choices[0].finish_reason == fault


def test_a_model_that_never_answers(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.fail("hang")
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.1), "hello")


def test_the_gate_holds_requests_until_it_is_opened(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.hold()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, client, "hello") for _ in range(4)]
        upstream.wait_until_held(4)
        assert [future.done() for future in asked] == [False] * 4
        upstream.release()
        assert len({future.result().choices[0].message.content for future in asked}) == 1
    assert len(upstream.calls) == 4


def test_a_stream_held_in_the_middle_has_begun(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.hold("middle")
    stream = ask(client, "hello there", stream=True)
    first, second = next(stream), next(stream)
    assert first.choices[0].delta.role == "assistant"
    assert second.choices[0].delta.content == "You"
    upstream.wait_until_held(1)
    upstream.release()
    assert list(stream)[-1].choices[0].finish_reason == "stop"


def test_as_a_process_it_prints_its_address_and_is_steered_over_http() -> None:
    command = [sys.executable, "-m", "fake_openai", "--port", "0"]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        steer(url, {"fail": "429"})
        with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            with pytest.raises(openai.RateLimitError):
                ask(client, "hello")
            ask(client, "hello")
        state = steer(url, {})
        assert state["calls"] == 2
        assert state["requests"][0]["body"]["messages"] == [{"role": "user", "content": "hello"}]
        assert steer(url, {"reset": True})["calls"] == 0
        process.terminate()
        assert process.wait(20) == 0


def steer(url: str, order: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url.removesuffix("/v1") + "/_control", data=json.dumps(order).encode()
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        state: dict[str, Any] = json.load(answer)
    return state
