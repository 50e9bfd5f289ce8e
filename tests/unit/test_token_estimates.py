"""Tokens that nobody counted: an estimate that is marked, never fails and takes no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.token_estimates import by_script, sampled, settled
from cache_fabric.types import Answer, CacheRequest, Usage


def nothing_at_hand(model: str) -> Callable[[str], int] | None:
    return None


def words_at_hand(model: str) -> Callable[[str], int] | None:
    return lambda text: len(text.split())


def asked(*messages: Mapping[str, Any], **given: Any) -> CacheRequest:
    return CacheRequest(model="m", messages=messages, **given)


HI = asked({"role": "user", "content": "How is the weather in Paris today?"})
RAIN = Answer(payload="It rains.", text="It rains.")


def test_what_the_response_says_stands() -> None:
    said = Usage(input_tokens=1, output_tokens=2)
    assert settled(said, HI, RAIN, words_at_hand) is said


def test_without_usage_it_is_estimated_and_says_so() -> None:
    usage = settled(None, HI, RAIN, words_at_hand)
    assert usage == Usage(input_tokens=7 + 2 * 3, output_tokens=2, estimated=True)


def test_where_nothing_counts_exactly_the_script_does() -> None:
    usage = settled(None, HI, RAIN, nothing_at_hand)
    assert usage is not None
    assert usage.estimated
    assert 8 <= usage.input_tokens <= 20
    assert 2 <= usage.output_tokens <= 4


def test_an_answer_that_could_not_be_read_gives_no_estimate() -> None:
    assert settled(None, HI, Answer(payload=None, error="cut"), words_at_hand) is None


@pytest.mark.parametrize(
    ("text", "tokens"),
    [  # as o200k_base counts them
        ("The quick brown fox jumps over the lazy dog, and then it rains in Spain.", 17),
        ("Быстрая коричневая лиса прыгает через ленивую собаку.", 18),
        ("これは日本語の文章です。東京は今日も雨が降っています。", 16),
        ("今天天气很好我们要去外面散步。", 11),
        ('{"name": "get_weather", "parameters": {"type": "object"}}', 15),
    ],
)
def test_a_script_is_estimated_to_within_a_half(text: str, tokens: int) -> None:
    assert tokens / 1.5 <= by_script(text) <= tokens * 1.5


def test_tools_and_their_calls_and_pictures_count() -> None:
    plain = settled(None, HI, RAIN, nothing_at_hand)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    with_tools = settled(None, asked(*HI.messages, tools=[tool]), RAIN, nothing_at_hand)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    seen = asked({"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]})
    with_picture = settled(None, seen, RAIN, nothing_at_hand)
    message = {"tool_calls": [{"name": "weather", "args": {"city": "Paris"}}]}
    calls = Answer(payload={"generations": [{"text": "", "message": message}]})
    with_calls = settled(None, HI, calls, nothing_at_hand)
    assert plain is not None
    assert with_tools is not None
    assert with_tools.input_tokens > plain.input_tokens + 10
    assert with_picture is not None
    assert 765 < with_picture.input_tokens < 800
    assert with_calls is not None
    assert with_calls.output_tokens > 4


def test_a_long_text_is_counted_by_a_sample_out_of_all_its_length() -> None:
    seen: list[str] = []

    def count(text: str) -> int:
        seen.append(text)
        return by_script(text)

    text = "a" * 500_000 + "雨" * 500_000
    tokens = sampled(text, count)
    assert sum(map(len, seen)) == 2_048
    assert tokens == pytest.approx(by_script(text), rel=0.01)


@pytest.mark.parametrize(
    ("said", "params", "tier"),
    [
        (None, {"service_tier": "flex"}, "flex"),
        ("default", {"service_tier": "priority"}, "default"),
        (None, {"service_tier": "auto"}, None),
        (None, {}, None),
    ],
)
def test_the_tier_is_what_the_response_says_else_what_was_asked_for(
    said: str | None, params: Mapping[str, Any], tier: str | None
) -> None:
    usage = Usage(input_tokens=1, output_tokens=1, tier=said)
    found = settled(usage, asked(params=params), RAIN, nothing_at_hand)
    assert found is not None
    assert found.tier == tier
    assert not found.estimated


def test_a_counter_that_fails_costs_the_estimate_alone() -> None:
    def broken(model: str) -> Callable[[str], int] | None:
        raise RuntimeError("no more threads")

    assert settled(None, HI, RAIN, broken) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls"]), ANYTHING)),
    st.lists(ANYTHING, max_size=3),
    ANYTHING,
)
def test_whatever_was_asked_and_said_it_never_raises(
    messages: Any, tools: Any, payload: Any
) -> None:
    answer = Answer(payload=payload, text="\ud800")
    usage = settled(None, asked(*messages, tools=tools), answer, nothing_at_hand)
    assert usage is None or (usage.estimated and usage.input_tokens > 0)


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, other: str) -> None:
    assert by_script(one + other) >= by_script(one)
    assert (by_script(one) > 0) == bool(one)
