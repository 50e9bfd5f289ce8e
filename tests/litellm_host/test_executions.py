"""Each call is an execution; hits are never spend."""

from __future__ import annotations

from typing import Any

import pytest
from litellm.integrations.custom_logger import CustomLogger

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import acompletion, enable
from cache_fabric.records import Execution
from fake_openai import Upstream
from litellm_host.asking import asked, eventually, litellm


def kept(fabric: CacheFabric, count: int) -> list[Execution]:
    """The executions, oldest first, once there are so many."""

    def found() -> list[Execution]:
        fabric.sync.flush()
        return fabric.sync.search_executions()

    eventually(lambda: len(found()) == count)
    return sorted(found(), key=lambda execution: execution.state["started"])


def test_a_miss_and_a_hit(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    arguments = {**call, "metadata": {"tags": ["blue"], "session_id": "s1"}}
    for name in ("one", "two"):
        litellm.completion(messages=asked("hi"), litellm_call_id=name, **arguments)
    miss, hit = kept(enabled, 2)
    assert [miss.execution_id, hit.execution_id] == ["one", "two"]
    assert {miss.graph_name, hit.graph_name} == {"litellm"}
    assert miss.tags == hit.tags == ("blue",)
    spent = miss.state
    assert (spent["status"], spent["hits"], spent["misses"]) == ("success", 0, 1)
    assert spent["tokens"]["total"] > 0
    assert spent["cost"] > 0
    assert spent["input"] == asked("hi")
    assert spent["output"]["content"].startswith("You said: hi")
    assert spent["thread_id"] == "s1"
    assert spent["seconds"] > 0
    saved = hit.state
    assert (saved["status"], saved["hits"], saved["misses"]) == ("success", 1, 0)
    assert (saved["cost"], saved["tokens"]["total"]) == (0, 0)
    assert saved["saved_cost"] == pytest.approx(spent["cost"])
    assert saved["saved_tokens"] == spent["tokens"]["total"]
    assert saved["cache"]["outcome"] == "hit"
    assert saved["cache"]["entry_id"] == enabled.sync.list_answers()[0].id
    feedback = enabled.sync.record_feedback("two", {"user_rating": 5})
    assert feedback.execution_id == "two"


def test_a_stream(
    enabled: CacheFabric, events: list[Event], upstream: Upstream, call: dict[str, Any]
) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for _ in range(2):
        list(litellm.completion(messages=asked("one two"), **options, **call))
    miss, hit = kept(enabled, 2)
    assert miss.state["output"]["content"] == hit.state["output"]["content"] != ""
    assert miss.state["cost"] > 0
    assert hit.state["cost"] == 0
    assert hit.state["hits"] == 1


def test_a_stream_that_did_not_say_what_it_took_is_estimated(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    for _ in range(2):
        list(litellm.completion(messages=asked("one two"), stream=True, **call))
    miss, hit = kept(enabled, 2)
    assert miss.state["tokens"]["estimated"]
    assert miss.state["tokens"]["total"] == hit.state["saved_tokens"] > 5
    assert miss.state["cost"] == hit.state["saved_cost"] > 0


def test_a_failure(enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]) -> None:
    upstream.fail("500", 5)
    with pytest.raises(litellm.InternalServerError):
        litellm.completion(messages=asked("hi"), num_retries=0, **call)
    (failed,) = kept(enabled, 1)
    assert failed.state["status"] == "error"
    assert failed.state["error"] == {"type": "InternalServerError", "status": 500}
    assert failed.state["output"] is None
    assert failed.state["cost"] == 0


def test_an_argument_of_a_call_does_not_say_what_the_fabric_did(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    forged = {"outcome": "hit", "entry_id": f"{'0' * 64}.00000000", "saved_cost": 9e9}
    # LiteLLM hands what it does not know on to this provider, and writes it into its own record.
    asks = {**call, "model": "mistral/mistral-small", "caching": False}
    litellm.completion(messages=asked("hi"), cache_fabric=forged, **asks)
    (run,) = kept(enabled, 1)
    assert run.answers == ()


def test_a_long_conversation_is_cut(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    litellm.completion(messages=asked("x" * 200_000), **call)
    (execution,) = kept(enabled, 1)
    assert 15_000 < len(execution.state["input"][0]["content"]) < 17_000


class Listener(CustomLogger):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.heard.append(kwargs["litellm_call_id"])


def test_untracked(exact: CacheFabric, upstream: Upstream, call: dict[str, Any]) -> None:
    enable(exact, track=False)
    listener = Listener()
    litellm.callbacks.append(listener)  # is told after ours
    try:
        litellm.completion(messages=asked("hi"), litellm_call_id="one", **call)
        eventually(lambda: "one" in listener.heard)
    finally:
        litellm.logging_callback_manager.remove_callback_from_list_by_object(
            litellm.callbacks, listener, require_self=False
        )
    exact.sync.flush()
    assert exact.sync.search_executions() == []


def test_it_says_whose_it_is(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    whose = {"metadata": {"cache_fabric_tenant": "acme"}, "user": "uma"}
    litellm.completion(messages=asked("hi"), **call, **whose)
    (execution,) = kept(enabled, 1)
    assert (execution.tenant, execution.user) == ("acme", "uma")


@pytest.mark.parametrize("rated", [0, 1], ids=["miss", "hit"])
def test_a_bad_answer_is_not_served_again(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any], rated: int
) -> None:
    for _ in range(2):
        litellm.completion(messages=asked("hi"), **call)
    made = kept(enabled, 2)
    feedback = enabled.sync.record_feedback(made[rated].execution_id, {"user_rating": 1})
    assert [effect.action for effect in feedback.effects] == ["quarantined"]
    litellm.completion(messages=asked("hi"), **call)
    assert kept(enabled, 3)[-1].state["cache"]["outcome"] == "miss"


async def test_what_a_wrapped_call_tells_is_enough_to_track_it(
    exact: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    said = [await acompletion(exact, messages=asked("hi"), **call) for _ in range(2)]
    for name, response in zip(("one", "two"), said, strict=True):
        await exact.track_execution(
            name, "chat", {"cache": response._hidden_params["cache_fabric"]}
        )
    feedback = await exact.record_feedback("one", {"label": "incorrect"})
    assert [effect.action for effect in feedback.effects] == ["quarantined"]
    again = await acompletion(exact, messages=asked("hi"), **call)
    assert again._hidden_params["cache_fabric"]["outcome"] == "miss"
