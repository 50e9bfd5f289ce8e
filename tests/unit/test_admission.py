from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cache_fabric.config import FabricConfig
from cache_fabric.policy.admission import may_cache, may_store
from cache_fabric.types import Answer, CacheRequest

CONFIG = FabricConfig()
HELLO = [{"role": "user", "content": "hello"}]


def request(messages: Sequence[Mapping[str, Any]] = HELLO, **options: Any) -> CacheRequest:
    return CacheRequest(model="m", messages=messages, **options)


def answer(*finish_reasons: str | None, text: str = "yes", **options: Any) -> Answer:
    return Answer(payload={}, text=text, finish_reasons=finish_reasons, **options)


def test_an_ordinary_request_may_be_cached() -> None:
    assert may_cache(request(), CONFIG) is None


@pytest.mark.parametrize("tenant", [None, ""])
def test_tenant_mode_bypasses_a_request_without_a_tenant(tenant: str | None) -> None:
    config = FabricConfig(require_tenant=True)
    assert may_cache(request(tenant=tenant), config) == "no tenant"
    assert may_cache(request(tenant="acme"), config) is None


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": " \n"}, {"role": "assistant", "content": []}],
        [{"role": "user", "content": [{"type": "text", "text": " "}, "", {}]}],
    ],
)
def test_a_prompt_that_says_nothing_bypasses_the_cache(messages: list[dict[str, Any]]) -> None:
    assert may_cache(request(messages), CONFIG) == "empty prompt"


@pytest.mark.parametrize(
    "message",
    [
        {"content": ["hello"]},
        {"content": [{"type": "text", "text": ""}, {"type": "text", "text": "hello"}]},
        {"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"content": None, "tool_calls": [{"id": "1"}]},
        {"content": {"parts": ["hello"]}},
    ],
)
def test_anything_said_in_any_form_is_a_prompt(message: dict[str, Any]) -> None:
    silent = {"role": "user", "content": ""}
    assert may_cache(request([silent, message]), CONFIG) is None


@pytest.mark.parametrize(
    "reason",
    [
        *(None, "stop", "end_turn", "stop_sequence", "complete", "completed", "done", "eos"),
        *("eos_token", "STOP", " Stop ", "FINISH_REASON_STOP", "FinishReason.STOP"),
    ],
)
def test_a_finished_answer_may_be_stored(reason: str | None) -> None:
    assert may_store(answer(reason), CONFIG) is None


def test_an_answer_without_finish_reasons_may_be_stored() -> None:
    assert may_store(answer(), CONFIG) is None


@pytest.mark.parametrize(
    "reason",
    [
        *("length", "max_tokens", "MAX_TOKENS", "content_filter", "safety", "recitation"),
        *("refusal", "error", "incomplete", "pause_turn", "a word of next year", ""),
    ],
)
def test_an_answer_that_ended_otherwise_is_refused_by_its_reason(reason: str) -> None:
    assert may_store(answer("stop", reason), CONFIG) == f"unfinished answer: {reason}"


def test_a_long_finish_reason_is_cut() -> None:
    assert may_store(answer("x" * 100), CONFIG) == "unfinished answer: " + "x" * 40


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_answer_is_refused(text: str) -> None:
    assert may_store(answer("stop", text=text), CONFIG) == "empty answer"


@pytest.mark.parametrize(("error", "reason"), [("overloaded", "overloaded"), ("", "error")])
def test_an_error_is_refused_as_itself(error: str, reason: str) -> None:
    assert may_store(answer("length", error=error), CONFIG) == reason


@pytest.mark.parametrize("reason", ["tool_calls", "tool_use", "function_call"])
def test_tool_calls_are_stored_only_when_all_are_declared_repeatable(reason: str) -> None:
    calls = answer(reason, text="", tool_calls=("weather", "pay"))
    refusal = "tool calls are not declared repeatable"
    assert may_store(calls, CONFIG) == refusal
    assert may_store(calls, FabricConfig(repeatable_tools=frozenset({"weather"}))) == refusal
    allowed = FabricConfig(repeatable_tools=frozenset({"weather", "pay", "more"}))
    assert may_store(calls, allowed) is None
