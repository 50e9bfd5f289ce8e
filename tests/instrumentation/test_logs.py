"""Structured logging: one record per event, plain fields, one line of JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from cache_fabric import CacheFabric, CacheRequest, Usage
from cache_fabric.errors import ValidationError
from cache_fabric.instrumentation.answer_events import EmbeddingEvent, LookupEvent, StoreEvent
from cache_fabric.instrumentation.events import (
    ChangesEvent,
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LabelEvent,
    PublishEvent,
    ResyncEvent,
    ReversalEvent,
    RunEvent,
    ShadowEvent,
    StepEvent,
    ValueEvent,
    VerdictEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.guard_event import GuardEvent
from cache_fabric.instrumentation.logs import JsonFormatter, log_events

Lines = Callable[[], list[dict[str, Any]]]
NAME = "cache_fabric.events"
SPENT = Usage(input_tokens=3, output_tokens=2)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Read what the logger of events has written as JSON lines."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def request(text: str = "is it so?", **more: Any) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}], **more)


async def test_a_record_has_the_plain_fields_of_its_event(
    fabric: CacheFabric, lines: Lines
) -> None:
    log_events(fabric)
    await fabric.set_context("support:prompt", "Be brief.", tenant="acme", scope="tenant")  # type: ignore[arg-type]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "is it?"}]
    asked = CacheRequest(model="m", messages=messages, tenant="acme")
    await fabric.lookup(asked)
    publish, lookup = [line for line in lines() if line["event"] != "changes"]
    assert publish["message"] == "publish published"
    assert (publish["event"], publish["change"]) == ("publish", "behaviour")
    assert publish["keys"] == ["support:prompt"]
    assert lookup["message"] == "lookup miss"
    assert lookup["logger"] == NAME
    assert lookup["level"] == "INFO"
    assert (lookup["outcome"], lookup["model"], lookup["tenant"]) == ("miss", "m", "acme")
    assert lookup["contexts"] == ["support:prompt@1"]
    assert lookup["time"].endswith("+00:00")
    assert "tier" not in lookup


async def test_nothing_that_was_said_is_in_a_record(fabric: CacheFabric, lines: Lines) -> None:
    log_events(fabric)
    await fabric.get_or_call(request("CANARY?"), lambda: "CANARY")
    await fabric.lookup(request("CANARY?"))
    await fabric.track_execution("x1", "g", {"input": "CANARY", "steps": [{"output": "CANARY"}]})
    await fabric.record_feedback("x1", {"score": 0, "comment": "CANARY", "label": "CANARY"})
    with fabric.start_execution("g", input="CANARY") as run:
        run.step("tool", "t", input="CANARY")
    assert {line["event"] for line in lines()} >= {"lookup", "store", "feedback", "run", "step"}
    assert "CANARY" not in json.dumps(lines())


async def test_content_that_is_switched_on_is_a_field_of_its_own(
    fabric: CacheFabric, lines: Lines
) -> None:
    log_events(fabric, content=True)
    await fabric.get_or_call(request("so?"), lambda: "yes")
    lookup, store = lines()
    assert lookup["content"] == {"messages": [{"role": "user", "content": "so?"}]}
    assert store["content"]["answer"] == "yes"


EVERY_EVENT: list[Event] = [
    LookupEvent(outcome="hit", model="m", reason="r", seconds=0.1, usage=SPENT),
    StoreEvent(outcome="stored", model="m", usage=SPENT),
    EmbeddingEvent(model="e", texts=1, tokens=5, cost_micros=None),
    LabelEvent(
        policy="p", family="f", probability=0.5, similarity=0.9, right=True, weight=1, drifted=False
    ),
    ShadowEvent(policy="p", outcome="hit", lookup_id="l"),
    VerifierEvent(outcome="answered", seconds=0.1, lookup_id="l"),
    ExecutionEvent(outcome="kept", execution_id="x"),
    FeedbackEvent(verdict="good", execution_id="x", name="tone"),
    GuardEvent(outcome="moved", key="k", label="production"),
    ReversalEvent(entry_id="e", execution_id="x", micros=5, tokens=1),
    ValueEvent(kind="embeddings", outcome="hit", count=3),
    VerdictEvent(entry_id="e", action="pinned"),
    ChangesEvent(revision=4, count=1, seconds=0.1),
    ResyncEvent(revision=4),
    PublishEvent(outcome="published", change="label", keys=("k",), seconds=0.1, revision=4),
    RunEvent(what="ended", execution_id="x", graph="g", contexts=(("k", 3),)),
    StepEvent(execution_id="x", kind="tool", name="t"),
]


def test_no_event_is_left_out_here() -> None:
    assert {type(event) for event in EVERY_EVENT} == set(get_args(Event))


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
def test_every_event_becomes_a_record(fabric: CacheFabric, lines: Lines, event: Event) -> None:
    log_events(fabric)
    fabric._hooks.tell(event)
    [line] = lines()
    assert line["event"] == type(event).__name__.removesuffix("Event").lower()


def test_a_field_that_a_record_has_itself_is_named_after_its_event(
    fabric: CacheFabric, lines: Lines
) -> None:
    log_events(fabric)
    fabric._hooks.tell(FeedbackEvent(verdict="good", execution_id="x", name="tone"))
    [line] = lines()
    assert line["feedback_name"] == "tone"
    assert line["logger"] == NAME


def test_usage_is_told_as_tokens(fabric: CacheFabric, lines: Lines) -> None:
    log_events(fabric)
    usage = Usage(input_tokens=3, output_tokens=2, estimated=True)
    fabric._hooks.tell(StoreEvent(outcome="stored", model="m", usage=usage))
    [line] = lines()
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (3, 2, True)


def test_the_ids_of_tenants_and_users_in_a_path_stay_out(fabric: CacheFabric, lines: Lines) -> None:
    log_events(fabric)
    contexts = (("user\x1facme\x1fCANARY\x1fkey", 2),)
    event = LookupEvent(outcome="miss", model="m", reason="", seconds=0.0, contexts=contexts)
    fabric._hooks.tell(event)
    [line] = lines()
    assert line["contexts"] == ["key@2"]


async def test_the_level_decides_and_a_removed_log_is_silent(
    fabric: CacheFabric, lines: Lines
) -> None:
    log_events(fabric, level=logging.DEBUG)
    await fabric.lookup(request())
    assert lines() == []
    logged = log_events(fabric, logging.getLogger(NAME))
    await fabric.lookup(request("and this?"))
    fabric.remove_hook(logged)
    await fabric.lookup(request("and that?"))
    assert len(lines()) == 1


def test_the_formatter_takes_any_record_and_writes_one_line() -> None:
    record = logging.makeLogRecord({"msg": "two\nlines %s", "args": (object,), "odd": {1, 2}})
    try:
        raise ValueError("it broke\nbadly")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    told = json.loads(text)
    assert told["odd"] == "(set)"
    assert "it broke" in told["error"]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"fabric": 1}, "fabric"), ({"logger": 1}, "logger"), ({"content": "no"}, "content")],
)
def test_a_bad_argument_is_named(fabric: CacheFabric, given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        log_events(**{"fabric": fabric, **given})
    assert caught.value.field == field
