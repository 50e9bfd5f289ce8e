"""Hooks hear every event while they are on, and content only with leave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, create_cache_fabric
from cache_fabric.context_rules import Label
from cache_fabric.errors import (
    ConfigurationError,
    NotFound,
    ValidationError,
    VersionConflict,
)
from cache_fabric.instrumentation.events import (
    ChangesEvent,
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LookupEvent,
    PublishEvent,
    RunEvent,
    StepEvent,
    StoreEvent,
)
from cache_fabric.instrumentation.publish_event import event_of_write


def request(text: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


async def test_a_hook_hears_what_happens_from_its_adding_to_its_removal(
    fabric: CacheFabric,
) -> None:
    heard: list[Event] = []
    fabric.add_hook(heard.append)
    await fabric.get_or_call(request("a?"), lambda: "yes")
    fabric.remove_hook(heard.append)
    await fabric.get_or_call(request("b?"), lambda: "yes")
    assert [type(event) for event in heard] == [LookupEvent, StoreEvent]


async def test_content_is_told_only_to_hooks_that_were_given_leave(fabric: CacheFabric) -> None:
    plain: list[Event] = []
    trusted: list[Mapping[str, Any]] = []
    fabric.add_hook(plain.append)
    fabric.add_hook(lambda event, content: trusted.append(content), content=True)
    await fabric.get_or_call(request("is SECRET-Q so?"), lambda: "SECRET-A")
    await fabric.get_or_call(request("is SECRET-Q so?"), lambda: "SECRET-A")
    asked = {"messages": [{"role": "user", "content": "is SECRET-Q so?"}]}
    answered = {**asked, "answer": "SECRET-A"}
    assert trusted == [asked, answered, answered]
    assert "SECRET" not in repr(plain)


async def test_content_is_not_put_together_while_nobody_has_leave(fabric: CacheFabric) -> None:
    fabric.add_hook(lambda event: None)

    def content() -> Mapping[str, Any]:
        raise AssertionError("nobody asked")

    fabric._hooks.tell(LookupEvent(outcome="miss", model="m", reason="", seconds=0.0), content)


async def test_a_hook_that_raises_disturbs_neither_the_call_nor_the_other_hooks(
    fabric: CacheFabric, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(event: Event, content: Any = None) -> None:
        raise RuntimeError("CANARY")

    fabric.add_hook(broken)
    fabric.add_hook(broken, content=True)
    fabric.add_hook(lambda event, _: heard.append(event), content=True)
    with caplog.at_level(logging.DEBUG, "cache_fabric"):
        assert await fabric.get_or_call(request("a?"), lambda: "yes") == "yes"
    assert len(heard) == 2
    assert "an event hook failed" in caplog.text


def test_what_is_no_function_is_refused(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="hook: expected a function, got str"):
        fabric.add_hook("print")


async def test_a_judged_log_does_not_keep_later_hooks_from_hearing(tmp_path: Path) -> None:
    heard: list[Event] = []
    fabric = create_cache_fabric("memory", judged_log=tmp_path / "judged.jsonl")
    fabric.add_hook(heard.append)
    async with fabric:
        fabric._life()._emit(LookupEvent(outcome="miss", model="m", reason="", seconds=0.0))
    assert len(heard) == 1


async def told_by(fabric: CacheFabric) -> tuple[list[Event], list[Mapping[str, Any]]]:
    events: list[Event] = []
    contents: list[Mapping[str, Any]] = []

    def hook(event: Event, content: Mapping[str, Any]) -> None:
        if not isinstance(event, ExecutionEvent | ChangesEvent):
            events.append(event)
            contents.append(content)

    fabric.add_hook(hook, content=True)
    return events, contents


async def test_a_publish_tells_its_gravest_change_its_keys_and_its_revision(
    fabric: CacheFabric,
) -> None:
    events, contents = await told_by(fabric)
    async with fabric.publish() as bundle:
        bundle.set_context("a", "CANARY", change="cosmetic")
        bundle.set_context("b", "CANARY", change="breaking")
        bundle.label_context("b", "staging", 1)
    [event] = events
    assert isinstance(event, PublishEvent)
    told = (event.outcome, event.change, event.keys, event.revision)
    assert told == ("published", "breaking", ("a", "b"), bundle.revision)
    assert event.seconds > 0
    assert "CANARY" not in repr(events) + repr(contents)


@pytest.mark.parametrize(
    ("act", "outcome", "change"),
    [
        (
            lambda f: f.set_context("a", "x", if_version=7, change="cosmetic"),
            "conflict",
            "cosmetic",
        ),
        (lambda f: f.delete_context("a"), "refused", "delete"),
        (lambda f: f.label_context("a", "staging", 1), "refused", "label"),
    ],
)
async def test_a_write_that_was_not_made_says_why(
    fabric: CacheFabric, act: Any, outcome: str, change: str
) -> None:
    events, _ = await told_by(fabric)
    with pytest.raises((NotFound, VersionConflict)):
        await act(fabric)
    [event] = events
    assert isinstance(event, PublishEvent)
    assert (event.outcome, event.change, event.revision) == (outcome, change, None)


def test_a_write_names_only_what_it_changes() -> None:
    class Expectation:
        key = "left alone"
        change = None

    written = Label(key="a", label="staging", version=1)
    event = event_of_write([Expectation(), written], 0.5, 7)
    told = (event.outcome, event.change, event.keys, event.revision)
    assert told == ("published", "label", ("a",), 7)


async def test_feedback_tells_figures_in_the_event_and_words_beside_it(
    fabric: CacheFabric,
) -> None:
    await fabric.track_execution("x1", "g", {"input": "q"})
    events, contents = await told_by(fabric)
    said = {"score": 0.25, "comment": "CANARY-C", "label": "CANARY-L", "correction": "CANARY-K"}
    await fabric.record_feedback("x1", {**said, "name": "tone"})
    event = next(event for event in events if isinstance(event, FeedbackEvent))
    told = (event.execution_id, event.name, event.score, event.annotator, event.trusted)
    assert told == ("x1", "tone", 0.25, "HUMAN", True)
    assert "CANARY" not in repr(events)
    assert {name: said[name] for name in ("comment", "label", "correction")} in contents


async def test_a_run_tells_of_its_begin_its_steps_and_its_end(fabric: CacheFabric) -> None:
    events, contents = await told_by(fabric)
    with fabric.start_execution("g", execution_id="x1", input="CANARY-I", agent="a") as run:
        run.step("tool", "search", input="CANARY-S", output="CANARY-O", seconds=0.5)
        run.finish("CANARY-E")
    begun, step, ended = events
    assert isinstance(begun, RunEvent)
    assert isinstance(step, StepEvent)
    assert isinstance(ended, RunEvent)
    assert (begun.what, begun.graph, begun.agent, begun.status) == ("begun", "g", "a", "running")
    assert (step.kind, step.name, step.seconds) == ("tool", "search", 0.5)
    assert (ended.what, ended.status) == ("ended", "success")
    assert begun.run == step.run == ended.run is not None
    assert "CANARY" not in repr(events)
    assert [c["input"] for c in contents] == ["CANARY-I", "CANARY-S", "CANARY-I"]


async def test_a_run_that_is_handed_in_whole_makes_its_steps_for_who_asks(
    fabric: CacheFabric,
) -> None:
    events, contents = await told_by(fabric)
    steps = [
        {
            "kind": "model",
            "name": "m",
            "seconds": 1.5,
            "cache": {"outcome": "hit"},
            "input": "CANARY",
        },
        "CANARY",
        {"kind": {"odd": "CANARY"}, "name": "CANARY" * 99},
    ]
    state = {"status": {"odd": "CANARY"}, "agent": {"instructions": "CANARY"}, "steps": steps}
    assert fabric.track_soon("x1", "g", state)
    [event] = events
    assert isinstance(event, RunEvent)
    told = list(event.steps())
    assert [(s.kind, s.name, s.seconds, s.outcome) for s in told] == [
        ("model", "m", 1.5, "hit"),
        ("step", "", None, None),
    ]
    assert "CANARY" not in repr(event) + repr(told)
    assert [step["input"] for step in contents[0]["steps"]] == ["CANARY", None]


async def test_a_durable_run_is_told_of_once_it_is_written(fabric: CacheFabric) -> None:
    events, _ = await told_by(fabric)
    await fabric.track_execution("x1", "g", {"status": "success"}, durable=True)
    assert [event.what for event in events if isinstance(event, RunEvent)] == ["ended"]


async def test_a_hook_that_would_have_to_be_awaited_is_refused(fabric: CacheFabric) -> None:
    async def hook(event: Event) -> None: ...

    with pytest.raises(ValidationError, match="hook: expected a function, got a coroutine fun"):
        fabric.add_hook(hook)
    with pytest.raises(ConfigurationError, match="hooks: expected functions"):
        create_cache_fabric("memory", hooks=[hook])
