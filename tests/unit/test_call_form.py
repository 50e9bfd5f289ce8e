"""One spelling of a chat completion call, and nothing left out that may change its answer."""

from __future__ import annotations

import pytest

from cache_fabric.call_form import kept, openai_params

FUNCTION = {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"api_base": "http://x/v1"}, {"base_url": "http://x/v1"}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"n": 1}, {}),
        ({"seed": None}, {}),
        ({"model": "gpt-4o"}, {"model_name": "gpt-4o"}),
    ],
)
def test_two_spellings_are_one(one: dict[str, object], other: dict[str, object]) -> None:
    assert openai_params(one) == openai_params(other)


@pytest.mark.parametrize("name", ["use_responses_api", "output_version", "foo_mode", "functions"])
def test_what_chat_completions_do_not_know_is_not_shared(name: str) -> None:
    assert openai_params({name: True}) is None


def test_two_spellings_at_once_are_not_shared() -> None:
    assert openai_params({"max_tokens": 5, "max_completion_tokens": 6}) is None


def test_tool_that_the_provider_runs_is_not_shared() -> None:
    assert openai_params({}, [FUNCTION]) is not None
    assert openai_params({}, [FUNCTION, {"type": "web_search"}]) is None


def test_secrets_and_transport_are_left_out_headers_are_not() -> None:
    call = {
        "api_key": "sk-1",
        "timeout": 3,
        "extra_headers": {"Authorization": "Bearer sk-2", "x-mode": "fast"},
        "seed": 1,
    }
    assert kept(call) == {"extra_headers": {"x-mode": "fast"}, "seed": 1}
