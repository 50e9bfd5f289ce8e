"""Whatever happens, in however many processes: the figures add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.instrumentation.events import (
    EmbeddingEvent,
    Event,
    LookupEvent,
    ReversalEvent,
    StoreEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.sums import add_event
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

names = st.sampled_from(["a", "b", "c"])
micros = st.none() | st.integers(0, 10**7)
usages = st.none() | st.builds(
    Usage, input_tokens=st.integers(0, 9999), output_tokens=st.integers(0, 9999)
)
whose: dict[str, Any] = {
    "model": names,
    "tenant": st.none() | names,
    "graph": st.none() | names,
    "tags": st.sets(names).map(lambda tags: tuple(sorted(tags))),
}
seconds = st.floats(0, 100)
hits = st.builds(
    LookupEvent,
    outcome=st.just("hit"),
    reason=st.just(""),
    seconds=seconds,
    tier=st.sampled_from(["hot", "exact", "flight", "semantic"]),
    stale=st.booleans(),
    usage=usages,
    saved_micros=micros,
    original_seconds=st.none() | seconds,
    **whose,
)
others = st.builds(
    LookupEvent,
    outcome=st.sampled_from(["miss", "bypass"]),
    reason=st.just(""),
    seconds=seconds,
    **whose,
)
answers = st.builds(
    StoreEvent,
    outcome=st.sampled_from(["stored", "refused"]),
    model=names,
    seconds=st.none() | seconds,
    usage=usages,
    cost_micros=micros,
    explored=st.booleans(),
)
failures = st.builds(StoreEvent, outcome=st.sampled_from(["released", "stale"]), **whose)
costs = st.one_of(
    st.builds(
        EmbeddingEvent,
        model=names,
        texts=st.integers(1, 9),
        tokens=st.integers(1, 99),
        cost_micros=micros,
    ),
    st.builds(
        VerifierEvent,
        outcome=st.just("answered"),
        seconds=seconds,
        lookup_id=st.just("l"),
        cost_micros=micros,
    ),
    st.builds(
        ReversalEvent,
        entry_id=names,
        execution_id=names,
        micros=micros,
        tokens=st.integers(0, 99),
        again=st.booleans(),
    ),
)
traffic = st.lists(st.one_of(hits, others, answers, failures, costs), max_size=60)


def summed(events: list[Event]) -> Totals:
    totals = Totals()
    for event in events:
        add_event(totals, event)
    return totals


@given(traffic)
def test_the_rows_of_a_dimension_add_up_to_the_whole(events: list[Event]) -> None:
    found = figures(summed(events))
    by = found["requests_by_outcome"]
    for dimension in ("model", "tenant", "graph"):
        rows = found["savings"][dimension]
        assert sum(row["lookups"] for row in rows) == found["requests"] - by["bypass"]
        assert sum(row["hits"] for row in rows) == found["hits"]
        assert sum(row["shared"] for row in rows) == by["coalesced"] + by["stale"]
        assert sum(row["failed"] for row in rows) == by["error"]
        explored = sum(
            event.cost_micros or 0
            for event in events
            if isinstance(event, StoreEvent) and event.explored
        )
        if found["cost_avoided"] is not None:
            avoided = sum(row["cost_avoided"] for row in rows) + explored / 1e6
            assert avoided == pytest.approx(found["cost_avoided"])
        tokens = sum(row["tokens_avoided"] for row in rows)
        assert tokens == found["tokens_avoided"]


@given(traffic)
def test_the_net_is_what_its_terms_make_and_unknown_where_one_is(events: list[Event]) -> None:
    found = figures(summed(events))
    parts = found["cost_overhead_by"]
    if found["cost_saved"] is None:
        is_unpriced = found["cost_avoided"] is None
        assert is_unpriced or None in (parts["embedding"], parts["verifier"])
        return
    avoided, exploration = found["cost_avoided"], parts["exploration"] or 0.0
    overhead = exploration + parts["embedding"] + parts["verifier"]
    assert found["cost_saved"] == pytest.approx(avoided - overhead - found["cost_reversed"])
    if found["cost_overhead"] is not None:
        assert found["cost_overhead"] == pytest.approx(overhead)


@given(traffic, st.integers(1, 4))
def test_processes_add_up_to_one_that_did_it_all(events: list[Event], processes: int) -> None:
    parts = [summed(events[which::processes]) for which in range(processes)]
    forth, back = Totals(), Totals()
    for part in parts:
        forth.add(Totals.unpacked(part.packed()))
    for part in reversed(parts):
        back.add(part)
    whole = summed(events)
    exact = ("outcomes", "answers", "saved_micros", "spent_micros", "reversed_micros", "prices")
    for name in (*exact, "latencies", "shares", "verified_micros", "embedded_micros"):
        assert getattr(forth, name) == getattr(back, name) == getattr(whole, name), name
