"""Metrics: the figures of a scripted sequence, with bounded attributes."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheRequest, Usage
from cache_fabric.instrumentation import otel_names as names
from cache_fabric.instrumentation.events import (
    ChangesEvent,
    EmbeddingEvent,
    Event,
    ExecutionEvent,
    LookupEvent,
    ResyncEvent,
    ReversalEvent,
    StoreEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.run_events import RunEvent
from cache_fabric.types import Miss
from instrumentation.conftest import Told

MODEL = {names.REQUEST_MODEL: "gpt-4o-mini"}
CHAT = {names.OPERATION: "chat", names.PROVIDER: "openai", **MODEL}
SPENT = Usage(input_tokens=1000, output_tokens=100)


def tell(told: Told, *events: Event) -> None:
    for event in events:
        told.fabric._hooks.tell(event)


def call(**more: Any) -> StoreEvent:
    given = {"model": "gpt-4o-mini", "usage": SPENT, "cost_micros": 210, "seconds": 1.5, **more}
    return StoreEvent(outcome="stored", **given)


async def test_a_miss_and_a_hit_are_told_in_the_conventions_and_in_ours(told: Told) -> None:
    told.start()
    asked = CacheRequest(model="gpt-4o-mini", messages=[{"role": "user", "content": "is it so?"}])
    miss = await told.fabric.lookup(asked)
    assert isinstance(miss, Miss)
    await told.fabric.store(miss.ticket, "By post.", usage=SPENT, latency=1.5)
    await told.fabric.lookup(asked)
    assert told.points(names.OPERATION_DURATION) == [(CHAT, 1.5)]
    assert told.points(names.TOKEN_USAGE) == [
        ({**CHAT, names.TOKEN_TYPE: "input"}, 1000),
        ({**CHAT, names.TOKEN_TYPE: "output"}, 100),
    ]
    assert told.points(names.COST_SPENT) == [(MODEL, pytest.approx(0.00021))]
    assert told.points(names.COST_AVOIDED) == [(MODEL, pytest.approx(0.00021))]
    assert told.points(names.AVOIDED_TOKENS) == [
        ({**MODEL, names.TOKEN_TYPE: "input"}, 1000),
        ({**MODEL, names.TOKEN_TYPE: "output"}, 100),
    ]
    assert told.points(names.LOOKUPS) == [
        ({names.CACHE_RESULT: "miss", **MODEL}, 1),
        ({names.CACHE_RESULT: "hit", names.CACHE_TIER: "hot", **MODEL}, 1),
    ]
    assert len(told.points(names.LOOKUP_DURATION)) == 2


def test_overhead_and_reversals_have_sums_of_their_own(told: Told) -> None:
    told.start()
    back = {"entry_id": "e", "execution_id": "x", "tokens": 5}
    tell(
        told,
        EmbeddingEvent(model="e", texts=1, tokens=5, cost_micros=40),
        call(explored=True),
        VerifierEvent(outcome="answered", seconds=0.1, lookup_id="l", cost_micros=70),
        ReversalEvent(micros=300, **back),  # type: ignore[arg-type]
        ReversalEvent(micros=100, again=True, **back),  # type: ignore[arg-type]
    )
    assert told.points(names.COST_OVERHEAD) == [
        ({names.OVERHEAD_REASON: "embedding"}, pytest.approx(40e-6)),
        ({names.OVERHEAD_REASON: "exploration"}, pytest.approx(210e-6)),
        ({names.OVERHEAD_REASON: "verifier"}, pytest.approx(70e-6)),
    ]
    assert told.points(names.COST_REVERSED) == [({}, pytest.approx(200e-6))]


def test_what_is_not_known_or_not_counted_is_left_out(told: Told) -> None:
    told.start()
    guessed = Usage(input_tokens=5, output_tokens=5, estimated=True)
    tell(told, call(usage=guessed, cost_micros=None, seconds=None))
    tell(told, StoreEvent(outcome="evicted", model="m"), StoreEvent(outcome="dropped", model="m"))
    for name in (names.TOKEN_USAGE, names.OPERATION_DURATION, names.COST_SPENT):
        assert told.points(name) == []
    told_of = {a[names.STORE_OUTCOME]: value for a, value in told.points(names.ANSWERS)}
    assert told_of == {"stored": 1, "evicted": 1, "dropped": 1}


async def test_executions_feedback_and_publishes_are_counted(told: Told) -> None:
    told.start()
    tell(told, ExecutionEvent(outcome="dropped", execution_id="x", reason="queue full"))
    await told.fabric.track_execution("x1", "g", {"status": "error", "seconds": 2.5})
    await told.fabric.record_feedback("x1", {"status": "incorrect"})
    await told.fabric.set_context("a", "x")
    assert ({names.STORE_OUTCOME: "dropped"}, 1) in told.points(names.EXECUTIONS)
    ran = {names.WORKFLOW: "g", names.ERROR_TYPE: "_OTHER"}
    assert told.points(names.WORKFLOW_DURATION) == [(ran, 2.5)]
    judged = {names.EVALUATION_LABEL: "bad", names.FEEDBACK_ANNOTATOR: "HUMAN"}
    assert told.points(names.FEEDBACK) == [(judged, 1)]
    published = {names.PUBLISH_CHANGE: "behaviour", names.PUBLISH_OUTCOME: "published"}
    assert told.points(names.PUBLISHES) == [(published, 1)]


def test_how_soon_a_change_is_served_and_what_was_missed_is_told(told: Told) -> None:
    told.start()
    for seconds in (0.25, 0.5):
        tell(told, ChangesEvent(revision=3, count=1, seconds=seconds))
    tell(told, ResyncEvent(revision=9))
    assert told.points(names.CONTEXT_PROPAGATION) == [({}, 0.75)]
    assert told.points(names.CONTEXT_RESYNCS) == [({}, 1)]


def test_models_and_graphs_beyond_the_bound_share_one_series(told: Told) -> None:
    told.start()
    for n in range(150):
        tell(
            told,
            LookupEvent(outcome="miss", model=f"model-{n}", reason="", seconds=0.0),
            RunEvent(what="ended", execution_id="x", graph=f"graph-{n}", seconds=1.0),
        )
    for name, attribute in (
        (names.LOOKUPS, names.REQUEST_MODEL),
        (names.WORKFLOW_DURATION, names.WORKFLOW),
    ):
        found = {attributes[attribute]: value for attributes, value in told.points(name)}
        assert len(found) == 101
        assert found["(other)"] == 50


def test_no_metric_has_an_id_or_the_name_of_a_person(told: Told) -> None:
    told.start()
    tell(
        told,
        LookupEvent(
            outcome="hit",
            model="m",
            reason="CANARY",
            seconds=0.0,
            entry_id="CANARY",
            lookup_id="CANARY",
            tenant="CANARY",
            tags=("CANARY",),
            contexts=(("user\x1fCANARY\x1fCANARY\x1fkey", 1),),
        ),
        call(entry_id="CANARY", lookup_id="CANARY", reason="CANARY"),
        RunEvent(what="ended", execution_id="CANARY", graph="g", conversation="CANARY"),
    )
    read = told._reader.get_metrics_data()
    assert read is not None
    assert "CANARY" not in read.to_json()


@pytest.mark.parametrize(
    ("model", "listed", "provider"),
    [
        ("gpt-4o", "openai", "openai"),
        ("azure/my-deployment", None, "azure.ai.openai"),
        ("bedrock/anthropic.claude", "anthropic", "aws.bedrock"),
        ("gemini-2.5-pro", "vertex_ai-language-models", "gcp.vertex_ai"),
        ("meta-llama/Llama-3", None, None),
        ("mine", None, None),
        ("x", "together_ai", "together_ai"),
    ],
)
def test_a_provider_has_the_conventions_name(
    model: str, listed: str | None, provider: str | None
) -> None:
    assert names.provider_name(model, listed) == provider
