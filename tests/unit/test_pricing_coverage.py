"""How much of the money is known, against scripted events."""

from __future__ import annotations

from collections import Counter

import msgspec

from cache_fabric.instrumentation.events import LookupEvent, StoreEvent
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

COUNTED = Usage(input_tokens=100, output_tokens=50)
ESTIMATED = Usage(input_tokens=100, output_tokens=50, estimated=True)


def call(usage: Usage | None, micros: int | None, model: str = "m") -> StoreEvent:
    return StoreEvent(outcome="stored", model=model, usage=usage, cost_micros=micros)


def hit(usage: Usage | None, micros: int | None, model: str = "m") -> LookupEvent:
    return LookupEvent(
        outcome="hit",
        model=model,
        reason="same request",
        seconds=0.001,
        tier="exact",
        usage=usage,
        saved_micros=micros,
    )


def totals_of(*events: LookupEvent | StoreEvent) -> Totals:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return metrics.totals()


def test_calls_and_hits_are_counted_by_how_they_are_priced() -> None:
    found = figures(
        totals_of(
            call(COUNTED, 300),
            hit(COUNTED, 300),
            call(ESTIMATED, 200),
            call(None, None),
            call(COUNTED, None, "own"),
            hit(COUNTED, None, "own"),
            hit(ESTIMATED, None, "other"),
            msgspec.structs.replace(call(COUNTED, 300), outcome="refused"),
        )
    )
    assert found["pricing_coverage"] == 50.0  # 4 of 8
    assert found["pricing_estimated"] == 25.0  # 1 of these 4
    assert found["unpriced_models"] == {"own": 2, "other": 1}


def test_a_miss_a_bypass_and_a_call_without_an_answer_have_no_price_to_know() -> None:
    miss = LookupEvent(outcome="miss", model="m", reason="not found", seconds=0.001)
    found = figures(
        totals_of(
            miss,
            msgspec.structs.replace(miss, outcome="bypass"),
            *(StoreEvent(outcome=outcome, model="m") for outcome in ("released", "stale")),
            *(StoreEvent(outcome=outcome, model="m") for outcome in ("dropped", "evicted")),
        )
    )
    assert found["pricing_coverage"] is None
    assert found["pricing_estimated"] is None
    assert found["unpriced_models"] == {}


def test_names_of_unpriced_models_are_bounded_and_their_counts_exact() -> None:
    first = totals_of(*(call(COUNTED, None, f"model-{i}") for i in range(50)))
    second = totals_of(*(call(COUNTED, None, f"other-{i}") for i in range(50)))
    assert len(first.unpriced) == 21
    first.add(Totals.of(second.plain()))
    shown = figures(first)["unpriced_models"]
    assert len(shown) == 21
    assert sum(shown.values()) == 100
    assert list(totals_of(call(COUNTED, None, "x" * 10_000)).unpriced) == ["x" * 128]


def test_names_of_unpriced_models_stay_few_in_sums_over_any_number_of_processes() -> None:
    sums = totals_of(*(call(COUNTED, None, "often") for _ in range(5)))
    for process in range(30):
        sums.add(totals_of(*(call(COUNTED, None, f"{process}-{i}") for i in range(30))))
    assert len(sums.unpriced) <= 200
    assert sums.unpriced.total() == 905
    assert next(iter(figures(sums)["unpriced_models"].items())) == ("often", 5)


def test_what_is_counted_of_an_unpriced_model_never_goes_down() -> None:
    sums, before = Totals(), Counter[str]()
    for minute in range(40):
        sums.add(totals_of(*(call(COUNTED, None, f"{minute * i}") for i in range(30))))
        now = Counter(sums.unpriced)
        assert before <= now
        before = now


def test_a_model_whose_name_is_no_text_leaves_the_sums_writable() -> None:
    sums = totals_of(call(COUNTED, None, "bad \ud800"))
    assert Totals.unpacked(sums.packed()).unpriced == {"bad ?": 1}
