"""What became of requests by model and graph, and what else a scrape shows, by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.instrumentation.events import LabelEvent, LookupEvent, StoreEvent
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.instrumentation.request_counts import OTHER, RequestCounts
from cache_fabric.types import Usage

USAGE = Usage(input_tokens=100, output_tokens=50, cache_read_tokens=60, cache_creation_tokens=10)
MODELS = st.lists(st.integers(0, 400), max_size=600)


def lookup(outcome: Any, model: str = "m", **more: Any) -> LookupEvent:
    return LookupEvent(outcome=outcome, model=model, reason="", seconds=0.25, **more)


def counted(models: list[int]) -> RequestCounts:
    found = RequestCounts()
    for model in models:
        found.count(str(model), None, "miss.")
    return found


def test_each_request_is_counted_with_model_and_graph_and_how_it_ended() -> None:
    metrics = Metrics()
    for event in (
        lookup("miss"),
        lookup("miss", "other"),
        lookup("hit", tier="hot"),
        lookup("hit", tier="semantic"),
        lookup("hit", tier="flight"),
        lookup("hit", tier="exact", stale=True),
        lookup("bypass"),
        lookup("hit", tier="hot", graph="support"),
        StoreEvent(outcome="stale", model="m", graph="support"),
        StoreEvent(outcome="released", model="other"),
        StoreEvent(outcome="stale", model="m"),
        StoreEvent(outcome="stored", model="m"),
    ):
        metrics(event)
    assert metrics.totals().requests.rows() == {
        ("m", None): {
            **{"miss.": 1, "hit.hot": 1, "hit.semantic": 1, "coalesced.flight": 1},
            **{"stale.exact": 1, "bypass.": 1, "failed": 1},
        },
        ("m", "support"): {"hit.hot": 1, "failed": 1},
        ("other", None): {"miss.": 1, "failed": 1},
    }


@given(MODELS)
def test_names_are_bounded_and_nothing_is_lost(models: list[int]) -> None:
    plain = counted(models).plain()
    assert len(plain) <= 201
    assert sum(counts["miss."] for counts in plain.values()) == len(models)
    for name in list(dict.fromkeys(map(str, models)))[:200]:
        assert plain[name]["miss."] == models.count(int(name))


@given(MODELS, MODELS)
def test_no_count_ever_goes_down_as_more_is_added(before: list[int], after: list[int]) -> None:
    sums = counted(before)
    shown = sums.plain()
    sums.add(counted(after))
    grown = sums.plain()
    assert all(grown[name]["miss."] >= counts["miss."] for name, counts in shown.items())
    assert sum(counts["miss."] for counts in grown.values()) == len(before) + len(after)
    sums.add(counted(after), sign=-1)
    assert {name: c for name, c in sums.plain().items() if c["miss."]} == shown


@given(MODELS)
def test_they_are_written_and_read_back(models: list[int]) -> None:
    found = counted(models)
    assert RequestCounts.of(msgspec.msgpack.decode(msgspec.msgpack.encode(found.plain()))) == found


def test_a_name_that_is_long_or_not_unicode_can_be_written_and_keeps_one_row() -> None:
    found = RequestCounts()
    for _ in range(2):
        found.count("x" * 10_000, None, "miss.")
        found.count("\ud800", "a\x1fb", "miss.")
    assert found.rows() == {("x" * 128, None): {"miss.": 2}, ("?", "a?b"): {"miss.": 2}}
    assert RequestCounts.of(found.plain()) == found


def test_after_two_hundred_pairs_all_others_are_one() -> None:
    found = RequestCounts()
    for number in range(150):
        found.count("m", str(number), "miss.")
        found.count(str(number), None, "miss.")
    rows = found.rows()
    assert rows[OTHER] == {"miss.": 100}
    assert ("m", "99") in rows
    assert ("m", "100") not in rows


def test_tokens_are_told_by_kind() -> None:
    metrics = Metrics()
    metrics(lookup("hit", tier="hot", usage=USAGE))
    metrics(lookup("hit", tier="hot", usage=USAGE))
    metrics(StoreEvent(outcome="stored", model="m", usage=USAGE))
    metrics(StoreEvent(outcome="evicted", model="m", usage=USAGE, reason="evicted: small"))
    sums = metrics.totals()
    assert (sums.saved_tokens, sums.saved_output_tokens) == (300, 100)
    assert (sums.spent_tokens, sums.spent_output_tokens) == (150, 50)
    assert sums.cached_tokens == {
        **{"avoided.cache_read": 120, "avoided.cache_creation": 20},
        **{"upstream.cache_read": 60, "upstream.cache_creation": 10},
    }


def test_times_are_summed_by_what_took_them() -> None:
    metrics = Metrics()
    metrics(lookup("hit", tier="hot"))
    metrics(lookup("hit", tier="hot"))
    metrics(lookup("bypass"))
    metrics(StoreEvent(outcome="stored", model="m", seconds=2.0, lookup_seconds=0.5))
    sums = metrics.totals()
    assert sums.nanos == {"hot": 500_000_000, "miss": 2_500_000_000, "upstream": 2_000_000_000}
    kinds = Counter(name.partition(".")[0] for name in [*sums.latencies, *sums.durations])
    assert kinds == {"hot": 1, "miss": 1, "upstream": 1}


def test_answers_that_leave_are_told_by_the_first_words_of_their_reason() -> None:
    metrics = Metrics()
    for reason in ("evicted: others save more a byte", "not admitted: others do", "evicted: x"):
        metrics(StoreEvent(outcome="evicted", model="m", reason=reason, size=10))
    sums = metrics.totals()
    assert sums.evictions == {"evicted": 2, "not admitted": 1}
    assert sums.evicted_bytes == 30


def test_sampled_answers_that_were_wrong_are_counted() -> None:
    metrics = Metrics()
    for weight, right in ((5.0, False), (5.0, True), (0.0, False)):
        metrics(
            LabelEvent(
                policy="p",
                family="f",
                probability=0.9,
                similarity=0.9,
                right=right,
                weight=weight,
                drifted=False,
            )
        )
    sums = metrics.totals()
    assert (sums.sampled, sums.found_wrong, sums.labels) == (2, 1, 3)
