"""Usage as providers and hosts say it: a golden shape for each, and whatever else may come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.types import Usage
from cache_fabric.usage_forms import read_usage, tier_of

GOLDEN: Mapping[str, tuple[Mapping[str, Any], Usage]] = {
    "langchain": (
        {
            "input_tokens": 350,
            "output_tokens": 240,
            "total_tokens": 590,
            "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100},
            "output_token_details": {"audio": 10, "reasoning": 200},
        },
        Usage(
            input_tokens=350,
            output_tokens=240,
            cache_read_tokens=100,
            cache_creation_tokens=200,
            reasoning_tokens=200,
        ),
    ),
    "langchain without details": (
        {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        Usage(input_tokens=3, output_tokens=2),
    ),
    "langchain of Anthropic, by age": (
        {
            "input_tokens": 2_100,
            "output_tokens": 7,
            "total_tokens": 2_107,
            "input_token_details": {
                "cache_read": 1_000,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 600,
                "ephemeral_1h_input_tokens": 400,
            },
        },
        Usage(
            input_tokens=2_100,
            output_tokens=7,
            cache_read_tokens=1_000,
            cache_creation_tokens=1_000,
            cache_hour_tokens=400,
        ),
    ),
    "langchain of OpenAI's flex tier": (
        {
            "input_tokens": 1_000,
            "output_tokens": 90,
            "total_tokens": 1_090,
            "input_token_details": {"flex": 200, "flex_cache_read": 800},
            "output_token_details": {"flex": 10, "flex_reasoning": 80},
        },
        Usage(
            input_tokens=1_000,
            output_tokens=90,
            cache_read_tokens=800,
            reasoning_tokens=80,
            tier="flex",
        ),
    ),
    "OpenAI chat": (
        {
            "prompt_tokens": 2_006,
            "completion_tokens": 300,
            "total_tokens": 2_306,
            "prompt_tokens_details": {"cached_tokens": 1_920, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 256,
                "accepted_prediction_tokens": 0,
            },
        },
        Usage(input_tokens=2_006, output_tokens=300, cache_read_tokens=1_920, reasoning_tokens=256),
    ),
    "OpenAI chat, details left out": (
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None},
        Usage(input_tokens=9, output_tokens=1),
    ),
    "OpenAI Responses": (
        {
            "input_tokens": 328,
            "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 64},
            "output_tokens": 52,
            "output_tokens_details": {"reasoning_tokens": 32},
            "total_tokens": 380,
        },
        Usage(
            input_tokens=328,
            output_tokens=52,
            cache_read_tokens=128,
            cache_creation_tokens=64,
            reasoning_tokens=32,
        ),
    ),
    "Anthropic": (
        {
            "input_tokens": 21,
            "cache_creation_input_tokens": 188,
            "cache_read_input_tokens": 1_800,
            "cache_creation": {"ephemeral_5m_input_tokens": 88, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 393,
            "service_tier": "priority",
        },
        Usage(
            input_tokens=2_009,
            output_tokens=393,
            cache_read_tokens=1_800,
            cache_creation_tokens=188,
            cache_hour_tokens=100,
            tier="priority",
        ),
    ),
    "Anthropic without a cache": (
        {
            "input_tokens": 21,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "output_tokens": 3,
            "service_tier": "standard",
        },
        Usage(input_tokens=21, output_tokens=3, tier="default"),
    ),
    "Gemini": (
        {
            "prompt_token_count": 1_000,
            "cached_content_token_count": 600,
            "candidates_token_count": 40,
            "thoughts_token_count": 160,
            "total_token_count": 1_200,
        },
        Usage(input_tokens=1_000, output_tokens=200, cache_read_tokens=600, reasoning_tokens=160),
    ),
    "Gemini in its JSON": (
        {
            "promptTokenCount": 10,
            "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 4,
            "totalTokenCount": 19,
        },
        Usage(input_tokens=15, output_tokens=4),
    ),
    "Vertex, thoughts among the candidates": (
        {
            "prompt_token_count": 10,
            "candidates_token_count": 50,
            "thoughts_token_count": 40,
            "total_token_count": 60,
        },
        Usage(input_tokens=10, output_tokens=50, reasoning_tokens=40),
    ),
    "LiteLLM of Anthropic": (
        {
            "prompt_tokens": 2_009,
            "completion_tokens": 393,
            "total_tokens": 2_402,
            "prompt_tokens_details": {
                "cached_tokens": 1_800,
                "cache_creation_tokens": None,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": 88},
            },
            "cache_creation_input_tokens": 188,
            "cache_read_input_tokens": 1_800,
        },
        Usage(
            input_tokens=2_009,
            output_tokens=393,
            cache_read_tokens=1_800,
            cache_creation_tokens=188,
            cache_hour_tokens=88,
        ),
    ),
}


@pytest.mark.parametrize(("said", "usage"), GOLDEN.values(), ids=GOLDEN)
def test_every_provider_is_read_into_one_form(said: Mapping[str, Any], usage: Usage) -> None:
    assert read_usage(said) == usage


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        [],
        "usage",
        17,
        {"total_cost": 0},
        {"total_tokens": 12},
        {"input_tokens": 12},
        {"prompt_tokens": 12, "completion_tokens": None},
        {"prompt_tokens": "12", "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 10**9 + 1, "output_tokens": 1},
        {"input_tokens": float("nan"), "output_tokens": 1},
        {"input_tokens": 0, "output_tokens": 0},
    ],
    ids=ascii,
)
def test_what_is_no_usage_is_not_known_and_not_0(said: object) -> None:
    assert read_usage(said) is None


@pytest.mark.parametrize("bad", [-5, True, "80", 0.5, None, [80], 10**12])
def test_a_detail_that_is_no_count_says_nothing(bad: object) -> None:
    said = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": bad},
        "completion_tokens_details": {"reasoning_tokens": bad},
    }
    assert read_usage(said) == Usage(input_tokens=100, output_tokens=10)


def test_a_part_is_cut_to_what_it_is_a_part_of() -> None:
    said = {
        "input_tokens": 100,
        "output_tokens": 10,
        "input_token_details": {"cache_read": 70, "cache_creation": 60},
        "output_token_details": {"reasoning": 11},
    }
    assert read_usage(said) == Usage(
        input_tokens=100,
        output_tokens=10,
        cache_read_tokens=70,
        cache_creation_tokens=30,
        reasoning_tokens=10,
    )


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ("flex", "flex"),
        ("priority", "priority"),
        ("batch", "batches"),
        ("standard", "default"),
        ("default", "default"),
        ("auto", None),
        ("", None),
        (None, None),
        (3, None),
        (["flex"], None),
    ],
)
def test_tiers_have_one_name_each(said: object, tier: str | None) -> None:
    assert tier_of(said) == tier


def test_the_tier_of_the_response_is_that_of_its_usage() -> None:
    usage = read_usage({"prompt_tokens": 1, "completion_tokens": 1}, "flex")
    assert usage is not None
    assert usage.tier == "flex"


def test_an_object_is_read_by_what_it_dumps_and_a_broken_one_says_nothing() -> None:
    class Said:
        def __init__(self, dumped: Any) -> None:
            self.dumped = dumped

        def model_dump(self) -> Any:
            return self.dumped["usage"]

    assert read_usage(Said({"usage": {"input_tokens": 1, "output_tokens": 2}})) == Usage(
        input_tokens=1, output_tokens=2
    )
    assert read_usage(Said({})) is None
    assert read_usage(Said({"usage": 3})) is None


NAMES = st.sampled_from(sorted({name for said, _ in GOLDEN.values() for name in said}))
INNER = st.sampled_from(
    sorted(
        {
            name
            for said, _ in GOLDEN.values()
            for value in said.values()
            if isinstance(value, Mapping)
            for name in value
        }
    )
)
COUNTS = st.integers(-3, 10**10) | st.none() | st.booleans() | st.floats() | st.text(max_size=3)
SAID = st.dictionaries(NAMES, COUNTS | st.dictionaries(INNER, COUNTS, max_size=6), max_size=10)


@given(SAID, st.text() | st.none())
def test_whatever_is_said_no_part_is_larger_than_its_whole(said: object, tier: object) -> None:
    usage = read_usage(said, tier)
    if usage is None:
        return
    uncached = usage.input_tokens - usage.cache_read_tokens - usage.cache_creation_tokens
    assert uncached >= 0
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    assert usage.cache_read_tokens >= 0
    assert 0 <= usage.cache_hour_tokens <= usage.cache_creation_tokens
    assert usage.total_tokens > 0
    assert not usage.estimated


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_one_call_is_the_same_in_every_providers_words(
    fresh: int, read: int, written: int, made: int
) -> None:
    whole = fresh + read + written
    same = [
        {
            "input_tokens": fresh,
            "output_tokens": made,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        },
        {
            "input_tokens": whole,
            "output_tokens": made,
            "input_token_details": {"cache_read": read, "cache_creation": written},
        },
        {
            "input_tokens": whole,
            "output_tokens": made,
            "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        },
        {
            "prompt_tokens": whole,
            "completion_tokens": made,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        },
    ]
    assert {read_usage(said) for said in same} == {
        Usage(
            input_tokens=whole,
            output_tokens=made,
            cache_read_tokens=read,
            cache_creation_tokens=written,
        )
    }
