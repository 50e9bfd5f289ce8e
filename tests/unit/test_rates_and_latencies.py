"""Rates, latencies and shares against scripted sequences, computed by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.instrumentation.latencies import bucket, quantiles
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.shares import OTHER, Shares
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

USAGE = Usage(input_tokens=100, output_tokens=50)


def lookup(outcome: Any, seconds: float = 0.01, **more: Any) -> LookupEvent:
    if outcome == "hit":
        more = {"tier": "exact", "usage": USAGE, "saved_micros": 300, **more}
    told: dict[str, Any] = {"model": "m", "reason": "", **more}
    return LookupEvent(outcome=outcome, seconds=seconds, **told)


def after(*events: Event) -> dict[str, Any]:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return figures(metrics.totals())


def test_failed_coalesced_and_bypassed_calls_are_in_neither_term_of_the_hit_rate() -> None:
    found = after(
        *(lookup("miss"), lookup("miss"), StoreEvent(outcome="released", model="m")),
        *(lookup("miss"), StoreEvent(outcome="stale", model="m")),
        *(lookup("hit"), lookup("hit", tier="flight"), lookup("bypass"), lookup("hit", stale=True)),
    )
    assert found["hit_rate"] == 50.0  # one hit, one miss that was answered
    assert found["requests_by_outcome"] == {
        "hit": 1, "miss": 1, "error": 2, "bypass": 1, "coalesced": 1, "stale": 1,
    }  # fmt: skip
    assert sum(found["requests_by_outcome"].values()) == found["requests"]


def test_a_rate_of_few_lookups_has_its_interval() -> None:
    # Newcombe (1998), table I: 15 of 148.
    found = after(*[lookup("hit")] * 15, *[lookup("miss")] * 133)
    assert found["hit_rate_interval"] == pytest.approx((6.24, 16.05), abs=5e-3)


def test_a_rate_of_many_lookups_and_one_of_none_have_no_interval() -> None:
    assert after(*[lookup("hit")] * 100, *[lookup("miss")] * 100)["hit_rate_interval"] is None
    assert figures(Totals())["hit_rate_interval"] is None


def test_latencies_are_told_by_tier_and_of_misses_with_the_call() -> None:
    found = after(
        *(lookup("hit", 0.001 * n, tier="hot") for n in range(1, 101)),
        lookup("hit", 0.5, tier="semantic"),
        lookup("miss"),
        StoreEvent(outcome="stored", model="m", lookup_seconds=0.5, seconds=1.5),
    )["latency"]
    hot = found["hot"]
    assert hot["count"] == 100
    assert hot["p50"] == pytest.approx(50.0, rel=0.01)
    assert hot["p95"] == pytest.approx(95.0, rel=0.01)
    assert hot["p99"] == pytest.approx(99.0, rel=0.01)
    assert found["semantic"]["p99"] == pytest.approx(500.0, rel=0.01)
    assert found["miss"]["p50"] == pytest.approx(2000.0, rel=0.01)


def test_no_latency_is_told_of_what_did_not_happen() -> None:
    assert after(lookup("bypass"))["latency"] == {}


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200), st.integers(1, 5))
def test_quantiles_of_parts_add_up_to_those_of_the_whole(seconds: list[float], parts: int) -> None:
    whole = Totals()
    for part in range(parts):
        process = Totals()
        for one in seconds[part::parts]:
            process.latencies[bucket("hot", one)] += 1
        whole.add(Totals.unpacked(process.packed()))
    found = quantiles(whole.latencies)["hot"]
    ranked = sorted(seconds)
    assert found["count"] == len(ranked)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = 1e3 * ranked[int(share * (len(ranked) - 1))]
        assert found[name] == pytest.approx(exact, rel=0.0101)


def row(name: str, lookups: int, hits: int, **more: Any) -> dict[str, Any]:
    usual = {
        "shared": 0,
        "failed": 0,
        "hit_rate": 100 * hits / lookups,
        "cost_avoided": pytest.approx(hits * 0.0003, abs=1e-12),
        "tokens_avoided": hits * 150,
    }
    return {"name": name, "lookups": lookups, "hits": hits, **usual, **more}


def test_savings_are_told_by_model_tenant_graph_tag_and_context() -> None:
    contexts = (("global\x1fsupport:prompt", 3), ("user\x1fa\x1fann\x1fher:notes", 1))
    asked: dict[str, Any] = {
        "tenant": "a",
        "graph": "triage",
        "tags": ("support", "beta"),
        "contexts": contexts,
    }
    found = after(lookup("miss", **asked), lookup("hit", **asked), lookup("hit"))["savings"]
    assert found["model"] == [row("m", 3, 2)]
    assert found["tenant"] == [row("a", 2, 1), row("(none)", 1, 1)]
    assert found["graph"] == [row("triage", 2, 1), row("(none)", 1, 1)]
    assert found["tag"] == [row("beta", 2, 1), row("support", 2, 1)]
    # A narrower scope may be named after somebody: it is told without its key.
    assert found["context"] == [row("(user)", 2, 1), row("support:prompt@3", 2, 1)]


def test_a_row_counts_as_the_whole_does() -> None:
    asked: dict[str, Any] = {"tenant": "a", "graph": "triage"}
    found = after(
        *(lookup("miss", **asked), StoreEvent(outcome="released", model="m", **asked)),
        *(lookup("miss", **asked), StoreEvent(outcome="stale", model="m", **asked)),
        *(lookup("miss", **asked), StoreEvent(outcome="stored", model="m", seconds=1.0)),
        *(lookup("hit", **asked), lookup("hit", tier="flight", **asked), lookup("bypass", **asked)),
        lookup("hit", stale=True, **asked),
    )
    (shown,) = found["savings"]["graph"]
    assert shown == row("triage", 6, 1, shared=2, failed=2, hit_rate=50.0) | {
        "cost_avoided": pytest.approx(0.0009),  # coalesced and stale ones avoided a call as well
        "tokens_avoided": 450,
    }
    assert (found["hit_rate"], found["cost_avoided"]) == (50.0, pytest.approx(0.0009))


def test_rows_that_an_earlier_release_wrote_are_read() -> None:
    old = Shares.of({"model": {"m": [3, 2, 600, 300]}})
    old.add(Shares.of({"model": {"m": [1, 1, 300, 150, 1, 0]}}))
    assert old.plain() == {"model": {"m": [4, 3, 900, 450, 1, 0]}}


def test_of_many_names_the_largest_are_told_and_the_rest_is_one_row() -> None:
    events = [lookup("hit", tenant=f"t{n}", saved_micros=n) for n in range(1000)]
    random.Random(7).shuffle(events)
    rows = after(*events, *[lookup("hit", tenant="big", saved_micros=10_000)] * 3)["savings"]
    tenants = rows["tenant"]
    assert len(tenants) == 21
    assert tenants[0] == row("big", 3, 3, cost_avoided=0.03)
    assert tenants[-1]["name"] == OTHER
    assert sum(row["hits"] for row in tenants) == 1003
    assert sum(row["cost_avoided"] for row in tenants) == pytest.approx(0.03 + 0.4995)


def test_shares_hold_a_bounded_number_of_names() -> None:
    shares = Shares()
    for n in range(5000):
        shares.count(lookup("hit", tenant=f"t{n}", model=f"m{n}"))
    assert all(len(rows) <= 401 for rows in shares.rows().values())
    assert sum(row[0] for row in shares.rows()["model"].values()) == 5000


def test_the_names_that_are_kept_are_those_that_saved_most() -> None:
    shares = Shares()
    for n in range(1000):
        shares.count(lookup("hit", tenant=f"t{n}", saved_micros=n))
        for _ in range(3):
            shares.count(lookup("miss", tenant=f"idle{n}"))
    shares.add(Shares())
    kept = set(shares.rows()["tenant"])
    assert {f"t{n}" for n in range(950, 1000)} <= kept


def test_sums_that_were_packed_and_taken_off_leave_nothing() -> None:
    metrics = Metrics()
    for event in (lookup("hit", tenant="a"), lookup("miss"), lookup("bypass")):
        metrics(event)
    total = metrics.totals()
    total.add(Totals.unpacked(metrics.totals().packed()), sign=-1)
    found = figures(total)
    assert (found["requests"], found["hit_rate"], found["latency"]) == (0, None, {})
    assert found["tokens_saved"] == 0


def test_what_is_taken_off_of_a_name_that_is_among_the_others_leaves_nothing_negative() -> None:
    earlier, whole = Shares(), Shares()
    earlier.count(lookup("hit", tenant="small", saved_micros=1))
    whole.count(lookup("hit", tenant="small", saved_micros=1))
    for number in range(300):
        whole.count(lookup("hit", tenant=f"large {number}", saved_micros=5))
    rows = Shares.of(whole.plain())
    rows.add(earlier, sign=-1)
    found = rows.rows()["tenant"]
    assert "small" not in found
    assert sum(row[1] for row in found.values()) == 300
    assert min(min(row) for row in found.values()) >= 0
