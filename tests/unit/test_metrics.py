"""Every figure against a scripted sequence, computed by hand."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from cache_fabric.instrumentation.events import LookupEvent, ReversalEvent, StoreEvent
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

USAGE = Usage(input_tokens=100, output_tokens=50)


def miss(seconds: float = 0.01) -> LookupEvent:
    return LookupEvent(outcome="miss", model="m", reason="not found", seconds=seconds)


def call(seconds: float, lookup: float = 0.01) -> StoreEvent:
    return StoreEvent(
        outcome="stored",
        model="m",
        lookup_seconds=lookup,
        seconds=seconds,
        usage=USAGE,
        cost_micros=300,
    )


def hit(seconds: float, original: float, tier: str = "exact") -> LookupEvent:
    return LookupEvent(
        outcome="hit",
        model="m",
        reason="same request",
        seconds=seconds,
        tier=tier,  # type: ignore[arg-type]
        original_seconds=original,
        usage=USAGE,
        saved_micros=300,
    )


def test_a_scripted_sequence_gives_the_figures_computed_by_hand() -> None:
    metrics = Metrics()
    for event in (miss(), call(0.99), hit(0.002, 0.99), hit(0.008, 0.99), hit(0.01, 0.99)):
        metrics(event)
    found = figures(metrics.totals())
    assert found["hit_rate"] == pytest.approx(75.0)  # 3 hits of 4 lookups
    assert found["avg_latency"] == pytest.approx(255.0)  # (0.02 + 1.00) s over 4 requests
    assert found["speedup"] == pytest.approx(0.99 * 4 / 1.02)
    assert found["cost_saved"] == pytest.approx(0.0009)
    assert found["cost_spent"] == pytest.approx(0.0003)
    assert (found["tokens_saved"], found["tokens_spent"]) == (450, 150)


def test_nothing_measured_is_none_and_not_zero() -> None:
    found = figures(Totals())
    for name in ("hit_rate", "avg_latency", "speedup", "cost_saved", "cost_spent"):
        assert found[name] is None


def test_lookups_without_a_hit_saved_exactly_nothing() -> None:
    metrics = Metrics()
    metrics(miss())
    assert figures(metrics.totals())["cost_saved"] == 0.0
    assert figures(metrics.totals())["hit_rate"] == 0.0


def test_a_reversal_takes_back_what_its_hit_had_saved_and_a_restore_books_it_again() -> None:
    metrics = Metrics()
    reversal = ReversalEvent(entry_id="e", execution_id="x", micros=300, tokens=150)
    for event in (miss(), call(0.99), hit(0.002, 0.99), hit(0.002, 0.99), reversal):
        metrics(event)
    found = figures(metrics.totals())
    assert found["cost_saved"] == pytest.approx(0.0003)
    assert found["cost_reversed"] == pytest.approx(0.0003)
    assert (found["tokens_saved"], found["hits_reversed"]) == (150, 1)
    metrics(dataclasses.replace(reversal, again=True))
    found = figures(metrics.totals())
    assert found["cost_saved"] == pytest.approx(0.0006)
    assert (found["tokens_saved"], found["hits_reversed"]) == (300, 0)


def test_hits_without_a_price_saved_an_unknown_amount() -> None:
    metrics = Metrics()
    metrics(LookupEvent(outcome="hit", model="m", reason="", seconds=0.1, tier="exact"))
    assert figures(metrics.totals())["cost_saved"] is None


def test_bypassed_and_coalesced_requests_are_in_neither_term_of_the_hit_rate() -> None:
    metrics = Metrics()
    metrics(miss())
    metrics(hit(0.1, 0.9, tier="flight"))
    metrics(LookupEvent(outcome="bypass", model="m", reason="no tenant", seconds=0.0))
    found = figures(metrics.totals())
    assert found["hit_rate"] == 0.0
    assert (found["coalesced"], found["bypassed"], found["requests"]) == (1, 1, 3)


def test_stale_answers_are_outcomes_of_their_own() -> None:
    metrics = Metrics()
    metrics(miss())
    metrics(msgspec.structs.replace(hit(0.1, 0.9), stale=True))
    metrics(miss())
    metrics(StoreEvent(outcome="stale", model="m"))
    found = figures(metrics.totals())
    assert (found["stale"], found["stale_if_error"], found["requests"]) == (1, 1, 3)
    assert (found["hits"], found["hit_rate"]) == (0, 0.0)
    assert found["avg_hit_latency"] == pytest.approx(100.0)


def test_a_dropped_write_is_counted_once_and_costs_nothing_more() -> None:
    metrics = Metrics()
    metrics(call(1.0))
    metrics(StoreEvent(outcome="dropped", model="m", reason="queue full"))
    totals = metrics.totals()
    assert (totals.calls, totals.spent_micros, totals.answers["dropped"]) == (1, 300, 1)


def test_totals_of_two_processes_add_up() -> None:
    one, two = Metrics(), Metrics()
    for metrics in (one, two):
        metrics(miss())
        metrics(call(1.0))
    total = one.totals()
    total.add(two.totals())
    assert total.outcomes["miss"] == 2
    assert total.nanos["upstream"] == 2e9
