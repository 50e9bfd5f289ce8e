"""What Prometheus is shown of sums: by hand, never less than before, and nobody's names."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from cache_fabric.instrumentation.events import (
    ChangesEvent,
    EmbeddingEvent,
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LabelEvent,
    LookupEvent,
    PublishEvent,
    ResyncEvent,
    ReversalEvent,
    StoreEvent,
    ValueEvent,
    VerdictEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.latencies import bucket, cumulative
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.instrumentation.prometheus_families import families_of_standing, families_of_sums
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

USAGE = Usage(input_tokens=100, output_tokens=50, cache_read_tokens=60, cache_creation_tokens=10)
NOWHERE = Standing(
    revision=None,
    connected=None,
    quarantined=None,
    pinned=None,
    queued=0,
    wrote_at=None,
    budget=None,
)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Fixed:
    """Families as a collector."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def after(events: Iterable[Event]) -> Totals:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return metrics.totals()


def samples(families: Iterable[Metric]) -> Samples:
    return {
        (sample.name.removeprefix("cachefabric_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def shown(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def lookup(outcome: Any, **more: Any) -> LookupEvent:
    return LookupEvent(**{"outcome": outcome, "model": "m", "reason": "", "seconds": 0.02, **more})


HIT = lookup("hit", tier="hot", usage=USAGE, saved_micros=300, original_seconds=1.0)
CALL = StoreEvent(
    outcome="stored",
    model="m",
    seconds=2.0,
    lookup_seconds=0.2,
    usage=USAGE,
    cost_micros=300,
    provider_saved_micros=40,
)
LABEL = LabelEvent(
    policy="p", family="f", probability=0.9, similarity=0.9, right=True, weight=4.0, drifted=False
)


def test_requests_are_told_by_result_tier_model_and_graph() -> None:
    found = samples(
        families_of_sums(
            after(
                [
                    *(lookup("miss"), CALL, HIT, HIT, lookup("hit", tier="flight")),
                    *(lookup("bypass"), lookup("hit", tier="exact", graph="support")),
                ]
            )
        )
    )
    served = {"result": "hit", "tier": "exact", "model": "m"}
    assert shown(found, "requests_total", graph="support", **served) == 1
    assert shown(found, "requests_total", graph="", **served) == 0
    assert shown(found, "requests_total", result="hit", tier="hot", model="m", graph="") == 2
    assert (
        shown(found, "requests_total", result="coalesced", tier="flight", model="m", graph="") == 1
    )
    assert shown(found, "requests_total", result="miss", tier="", model="m", graph="") == 1
    assert shown(found, "requests_total", result="bypass", tier="", model="m", graph="") == 1
    assert shown(found, "requests_total", result="hit", tier="semantic", model="m", graph="") == 0
    assert sum(value for (name, _), value in found.items() if name == "requests_total") == 6


def test_durations_are_told_with_bounds_in_seconds() -> None:
    found = samples(families_of_sums(after([lookup("miss"), CALL, HIT, lookup("hit", tier="hot")])))
    hot = {"result": "hit", "tier": "hot"}
    assert shown(found, "request_duration_seconds_bucket", le="0.01", **hot) == 0
    assert shown(found, "request_duration_seconds_bucket", le="0.025", **hot) == 2
    assert shown(found, "request_duration_seconds_bucket", le="+Inf", **hot) == 2
    assert shown(found, "request_duration_seconds_count", **hot) == 2
    assert shown(found, "request_duration_seconds_sum", **hot) == pytest.approx(0.04)
    miss = {"result": "miss", "tier": ""}
    assert shown(found, "request_duration_seconds_sum", **miss) == pytest.approx(2.2)
    assert shown(found, "upstream_duration_seconds_sum") == pytest.approx(2.0)
    assert shown(found, "upstream_duration_seconds_bucket", le="1.0") == 0
    assert shown(found, "upstream_duration_seconds_bucket", le="2.5") == 1


def test_money_and_tokens_are_told_in_dollars_and_kinds_that_add_up() -> None:
    explored = StoreEvent(outcome="stored", model="m", cost_micros=100, explored=True)
    embedded = EmbeddingEvent(model="e", texts=1, tokens=10, cost_micros=7)
    verified = VerifierEvent(outcome="answered", seconds=0.1, lookup_id="l", cost_micros=11)
    reversal = ReversalEvent(entry_id="e", execution_id="x", micros=300, tokens=150)
    found = samples(
        families_of_sums(after([CALL, HIT, HIT, explored, embedded, verified, reversal]))
    )
    assert shown(found, "cost_spent_usd_total") == pytest.approx(400e-6)
    assert shown(found, "cost_avoided_usd_total") == pytest.approx(700e-6)
    assert shown(found, "cost_overhead_usd_total", reason="exploration") == pytest.approx(100e-6)
    assert shown(found, "cost_overhead_usd_total", reason="embedding") == pytest.approx(7e-6)
    assert shown(found, "cost_overhead_usd_total", reason="verifier") == pytest.approx(11e-6)
    assert shown(found, "cost_reversed_usd_total") == pytest.approx(300e-6)
    assert shown(found, "cost_rebooked_usd_total") == 0
    assert shown(found, "provider_cache_saved_usd_total") == pytest.approx(40e-6)
    tokens = {
        kind: shown(found, "tokens_total", type=kind, source="avoided")
        for kind in ("input", "output", "cache_read", "cache_creation")
    }
    assert tokens == {"input": 60, "output": 100, "cache_read": 120, "cache_creation": 20}
    assert shown(found, "tokens_total", type="input", source="upstream") == 30


def test_money_is_that_of_the_figures() -> None:
    embedded = EmbeddingEvent(model="e", texts=1, tokens=9, cost_micros=7)
    bad = ReversalEvent(entry_id="e", execution_id="x", micros=200, tokens=9)
    good = ReversalEvent(entry_id="e", execution_id="y", micros=50, tokens=9, again=True)
    asked = VerifierEvent(outcome="answered", seconds=0.1, lookup_id="l", cost_micros=3)
    events: list[Event] = [lookup("miss"), CALL, HIT, HIT, embedded, asked, bad, good]
    sums = after(events)
    found, said = samples(families_of_sums(sums)), figures(sums)
    overhead = sum(v for (name, _), v in found.items() if name == "cost_overhead_usd_total")
    taken_back = shown(found, "cost_reversed_usd_total") - shown(found, "cost_rebooked_usd_total")
    net = shown(found, "cost_avoided_usd_total") - overhead - taken_back
    assert net == pytest.approx(said["cost_saved"]) == pytest.approx(440e-6)


def test_the_hit_rate_by_its_documented_rule_is_that_of_the_figures() -> None:
    failed: list[Event] = [lookup("miss"), StoreEvent(outcome="released", model="m")]
    sums = after([lookup("miss"), CALL, *failed, HIT, lookup("hit", tier="hot", stale=True)])
    found = samples(families_of_sums(sums))

    def requests(result: str) -> float:
        return sum(
            value
            for (name, labels), value in found.items()
            if name == "requests_total" and ("result", result) in labels
        )

    failures = shown(found, "upstream_failures_total", model="m", graph="")
    rate = requests("hit") / (requests("hit") + requests("miss") - failures)
    assert 100 * rate == figures(sums)["hit_rate"] == 50.0


def test_checks_of_hits_are_told_with_their_interval_once_there_are_some() -> None:
    wrong = LabelEvent(
        policy="p",
        family="f",
        probability=0.9,
        similarity=0.9,
        right=False,
        weight=4.0,
        drifted=True,
    )
    assert not [
        s for f in families_of_sums(Totals()) if f.name.endswith("_ratio") for s in f.samples
    ]
    sums = after([LABEL] * 9 + [wrong])
    found, said = samples(families_of_sums(sums)), figures(sums)["wrong_semantic_hits"]
    assert shown(found, "hit_checks_total") == 10
    assert shown(found, "false_hits_total") == shown(found, "drifts_total") == 1
    for bound, figure in (("low", "low"), ("estimate", "percent"), ("high", "high")):
        assert 100 * shown(found, "false_hit_ratio", bound=bound) == pytest.approx(said[figure])


def test_contexts_runs_and_verdicts_are_told() -> None:
    found = samples(
        families_of_sums(
            after(
                [
                    ChangesEvent(revision=3, count=2, seconds=0.02),
                    ResyncEvent(revision=9),
                    ExecutionEvent(outcome="kept", execution_id="x"),
                    ExecutionEvent(outcome="dropped", execution_id="y", reason="queue full"),
                    FeedbackEvent(verdict="bad", annotator="LLM"),
                    PublishEvent(outcome="conflict", change="breaking", keys=("k",), seconds=0.1),
                    VerdictEvent(entry_id="e", action="quarantined", taught=True),
                    VerifierEvent(outcome="timeout", seconds=1.0, lookup_id="l"),
                    ValueEvent(kind="a.b", outcome="hit", count=3),
                    lookup("miss", degraded="store"),
                    StoreEvent(outcome="evicted", model="m", reason="evicted: x", size=7),
                ]
            )
        )
    )
    assert shown(found, "context_propagation_seconds_bucket", le="0.025") == 1
    assert shown(found, "watch_resyncs_total") == 1
    assert shown(found, "history_written_total") == shown(found, "history_dropped_total") == 1
    assert shown(found, "feedback_total", verdict="bad", annotator="LLM") == 1
    assert shown(found, "publish_total", change="breaking", outcome="conflict") == 1
    assert shown(found, "publish_total", change="breaking", outcome="published") == 0
    assert shown(found, "verdicts_total", action="quarantined") == 1
    assert shown(found, "verifications_total", outcome="timeout") == 1
    assert shown(found, "values_total", outcome="hit") == 3
    assert shown(found, "degraded_total", part="store") == 1
    assert shown(found, "evictions_total", reason="evicted") == 1
    assert shown(found, "evicted_bytes_total") == 7


def test_what_is_not_known_of_a_process_has_no_sample() -> None:
    found = samples(families_of_standing(NOWHERE))
    assert {name for name, _ in found} == {"history_queue_size", "build_info"}
    known = Standing(
        revision=7,
        connected=False,
        quarantined=2,
        pinned=1,
        queued=3,
        wrote_at=1e9,
        budget=0.01,
    )
    found = samples(families_of_standing(known))
    assert shown(found, "context_revision") == 7
    assert shown(found, "watch_connected") == 0
    assert shown(found, "answers", state="quarantined") == 2
    assert shown(found, "answers", state="pinned") == 1
    assert shown(found, "history_queue_size") == 3
    assert shown(found, "history_last_write_timestamp_seconds") == 1e9
    assert shown(found, "false_hit_budget_ratio") == 0.01


@given(st.lists(st.floats(1e-6, 100.0), max_size=60))
def test_what_is_at_most_a_bound_is_told_within_two_percent(durations: list[float]) -> None:
    bounds = (0.001, 0.1, 1.0, 60.0)
    buckets: dict[str, int] = {}
    for seconds in durations:
        name = bucket("hot", seconds)
        buckets[name] = buckets.get(name, 0) + 1
    counts = cumulative(buckets, bounds).get("hot", [0] * 5)
    assert counts[-1] == len(durations)
    for bound, count in zip(bounds, counts, strict=False):
        surely = sum(seconds <= bound * 0.98 for seconds in durations)
        assert surely <= count <= sum(seconds <= bound * 1.000001 for seconds in durations)


EVENTS = st.one_of(
    st.builds(
        lookup,
        st.sampled_from(["hit"]),
        tier=st.sampled_from(["hot", "exact", "semantic", "flight"]),
        stale=st.booleans(),
        model=st.sampled_from([f"m{n}" for n in range(130)]),
        seconds=st.floats(0, 100),
        usage=st.just(USAGE),
        saved_micros=st.none() | st.integers(0, 1000),
    ),
    st.builds(lookup, st.sampled_from(["miss", "bypass"]), degraded=st.none() | st.just("store")),
    st.builds(
        StoreEvent,
        outcome=st.sampled_from(["stored", "refused", "dropped", "released", "stale", "evicted"]),
        model=st.sampled_from(["m1", "other"]),
        seconds=st.none() | st.floats(0, 100),
        usage=st.none() | st.just(USAGE),
        cost_micros=st.none() | st.integers(0, 1000),
        explored=st.booleans(),
        reason=st.sampled_from(["evicted: x", "not admitted: y"]),
    ),
    st.builds(
        ReversalEvent,
        entry_id=st.just("e"),
        execution_id=st.just("x"),
        micros=st.integers(0, 1000),
        tokens=st.integers(0, 10),
        again=st.booleans(),
    ),
    st.builds(ChangesEvent, revision=st.just(1), count=st.just(1), seconds=st.floats(0, 100)),
    st.just(LABEL),
)


@settings(max_examples=30)
@given(st.lists(EVENTS, max_size=40), st.lists(EVENTS, max_size=40))
def test_what_only_grows_never_goes_down(first: list[Event], more: list[Event]) -> None:
    metrics = Metrics()
    for event in first:
        metrics(event)
    before = [f for f in families_of_sums(metrics.totals()) if f.type != "gauge"]
    for event in more:
        metrics(event)
    now = samples(families_of_sums(metrics.totals()))
    for key, value in samples(before).items():
        assert now[key] >= value, key


def test_every_label_but_model_and_graph_is_there_from_the_start() -> None:
    new, used = samples(families_of_sums(Totals())), samples(families_of_sums(after([CALL, HIT])))
    appeared = {name for name, labels in used.keys() - new.keys()}
    assert appeared == {"requests_total", "upstream_failures_total"}


def test_models_are_bounded() -> None:
    models = [f"model-{number}" for number in range(1000)]
    events = [lookup("miss", model=model) for model in models]
    events += [lookup("hit", tier="hot", model=model, usage=USAGE) for model in models]
    found = samples(families_of_sums(after(events)))
    named = {dict(labels)["model"] for name, labels in found if name == "requests_total"}
    assert len(named) == 201
    assert "(other)" in named
    assert len(found) < 2000


def test_nobody_is_named() -> None:
    secret = "canary"
    events: list[Event] = [
        lookup(
            outcome,
            tier=tier,
            reason=secret,
            entry_id=secret,
            partition=secret,
            lookup_id=secret,
            tenant=secret,
            tags=(secret,),
            contexts=((f"tenant\x1f{secret}\x1f{secret}", 1),),
        )
        for outcome, tier in (("hit", "hot"), ("miss", None), ("bypass", None))
    ]
    events += [
        StoreEvent(outcome="refused", model="m", reason=secret, entry_id=secret),
        PublishEvent(outcome="published", change="label", keys=(secret,), seconds=0.0),
        FeedbackEvent(verdict="bad", execution_id=secret, name=secret),
        ExecutionEvent(outcome="dropped", execution_id=secret, reason=secret),
        ReversalEvent(entry_id=secret, execution_id=secret, micros=1, tokens=1),
        VerdictEvent(entry_id=secret, action="none"),
        VerifierEvent(outcome="failed", seconds=0.0, lookup_id=secret),
        ValueEvent(kind=secret, outcome="hit", count=1),
        LabelEvent(
            policy=secret,
            family=secret,
            probability=1.0,
            similarity=1.0,
            right=True,
            weight=1.0,
            drifted=False,
        ),
    ]
    assert secret not in generate_latest(Fixed(families_of_sums(after(events)))).decode()


def test_both_formats_can_be_read_back() -> None:
    def fixed() -> Fixed:
        sums = after([CALL, HIT, lookup("hit", tier="hot", model='a "b"\n\\c')])
        return Fixed([*families_of_standing(NOWHERE), *families_of_sums(sums)])

    said = samples(fixed().collect())
    assert samples(read_text(generate_latest(fixed()).decode())) == said
    read: Any = read_openmetrics
    write: Any = generate_openmetrics
    assert samples(read(write(fixed()).decode())) == said


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_mend_in_the_names() -> None:
    shown = Fixed([*families_of_standing(NOWHERE), *families_of_sums(after([CALL, HIT]))])
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(shown),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
