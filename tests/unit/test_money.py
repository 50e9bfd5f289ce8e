"""Every figure of money against a scripted sequence, computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.call_costs import CallCosts
from cache_fabric.embedding_bill import EmbeddingBill
from cache_fabric.instrumentation.events import (
    EmbeddingEvent,
    Event,
    LookupEvent,
    ReversalEvent,
    StoreEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.pricing import PriceTable
from cache_fabric.types import CacheEntry, Hit, Usage

USAGE = Usage(input_tokens=100, output_tokens=50)
PRICES = PriceTable.load(
    {
        "m": {
            "input_cost_per_token": 2e-6,
            "output_cost_per_token": 8e-6,
            "cache_read_input_token_cost": 5e-7,
        },
        "e": {"input_cost_per_token": 2e-8, "output_cost_per_token": 0.0},
    }
)


def miss(**more: Any) -> LookupEvent:
    return LookupEvent(outcome="miss", model="m", reason="", seconds=0.01, **more)


def hit(micros: int | None = 600, **more: Any) -> LookupEvent:
    told: dict[str, Any] = {"tier": "exact", "usage": USAGE, "saved_micros": micros, **more}
    return LookupEvent(outcome="hit", model="m", reason="", seconds=0.01, **told)


def call(micros: int | None = 600, **more: Any) -> StoreEvent:
    told: dict[str, Any] = {"outcome": "stored", "usage": USAGE, "cost_micros": micros, **more}
    return StoreEvent(model="m", seconds=1.0, **told)


def after(*events: Event) -> dict[str, Any]:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return figures(metrics.totals())


def test_net_is_what_was_avoided_less_overhead_and_reversals() -> None:
    found = after(
        *(miss(), call(), hit(), hit(), hit()),
        *(miss(similarity=0.9), call(explored=True)),
        EmbeddingEvent(model="e", texts=2, tokens=40, cost_micros=7),
        ReversalEvent(entry_id="e", execution_id="x", micros=600, tokens=150),
    )
    assert found["cost_avoided"] == 0.0024  # three hits, and the call that a hit was there for
    assert found["cost_overhead"] == 0.000607
    assert found["cost_overhead_by"] == {
        "embedding": 0.000007,
        "exploration": 0.0006,
        "verifier": 0.0,
    }
    assert found["cost_reversed"] == 0.0006
    assert found["cost_saved"] == pytest.approx(0.0024 - 0.000607 - 0.0006, abs=1e-12)
    assert found["cost_spent"] == 0.0012
    assert (found["tokens_avoided"], found["tokens_saved"], found["tokens_spent"]) == (
        450,
        300,
        300,
    )


def test_what_was_paid_and_the_net_saving_are_the_bill_without_a_cache() -> None:
    found = after(
        *(miss(), call(), hit(), hit(), miss(), call(explored=True), miss(), call(900)),
        EmbeddingEvent(model="e", texts=3, tokens=60, cost_micros=11),
    )
    paid = found["cost_spent"] + found["cost_overhead_by"]["embedding"]
    assert paid + found["cost_saved"] == pytest.approx((4 * 600 + 900 + 600 - 600) / 1e6, abs=1e-12)


def test_the_providers_own_cache_is_a_line_of_its_own() -> None:
    found = after(miss(), call(provider_saved_micros=150), hit())
    assert found["provider_cache_saved"] == 0.00015
    assert found["cost_saved"] == 0.0006


def asked(micros: int | None, outcome: Any = "answered") -> VerifierEvent:
    return VerifierEvent(outcome=outcome, seconds=0.1, lookup_id="l", cost_micros=micros)


def test_what_a_verifier_says_it_cost_is_overhead() -> None:
    found = after(miss(), call(), hit(), hit(), asked(40), asked(2), asked(None, "timeout"))
    assert found["cost_overhead_by"]["verifier"] == 0.000042
    assert found["cost_overhead"] == 0.000042
    assert found["cost_saved"] == pytest.approx(0.0012 - 0.000042, abs=1e-12)
    assert found["overhead_coverage"] == pytest.approx(200 / 3)
    assert found["verifier"] == {"answered": 2, "timeout": 1}


def test_what_costs_an_unknown_amount_leaves_no_net_saving_that_is_known() -> None:
    embedded = EmbeddingEvent(model="?", texts=1, tokens=4, cost_micros=None)
    for part, event in (("verifier", asked(None)), ("embedding", embedded)):
        found = after(miss(), call(), hit(), event)
        assert found["cost_overhead_by"][part] is None
        assert (found["cost_overhead"], found["cost_saved"]) == (None, None)
        assert (found["cost_avoided"], found["overhead_coverage"]) == (0.0006, 0.0)


def test_a_free_verifier_costs_nothing() -> None:
    found = after(miss(), call(), hit(), asked(0))
    assert (found["cost_overhead"], found["cost_saved"]) == (0.0, 0.0006)


def test_a_check_without_a_price_leaves_the_net_saving_known() -> None:
    found = after(miss(), call(), hit(), miss(similarity=0.9), call(None, explored=True))
    assert found["cost_overhead_by"]["exploration"] is None
    assert (found["cost_overhead"], found["cost_saved"]) == (None, 0.0006)


def test_a_failed_call_costs_nothing_and_saves_nothing() -> None:
    found = after(miss(), StoreEvent(outcome="released", model="m"))
    assert found["cost_saved"] == 0.0
    assert found["cost_spent"] is None
    assert found["pricing_coverage"] is None


def test_without_any_event_no_amount_is_known() -> None:
    found = figures(Totals())
    for name in ("cost_saved", "cost_avoided", "cost_overhead", "cost_spent", "pricing_coverage"):
        assert found[name] is None


def test_a_hit_is_worth_what_its_call_would_cost_now() -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=400)
    entry = CacheEntry(
        id="i", exact="x", partition="p", question="q", payload="", model="m", created=0.0,
        usage=usage, cost_micros=1,
    )  # fmt: skip
    costs = CallCosts(PRICES)
    assert costs.saved(Hit(entry=entry, tier="hot")) == {
        "saved_micros": 600 * 2 + 200 + 800,
        "saved_tokens": 1100,
    }
    assert costs.of("m", usage) == (2200, 600)  # 400 tokens at 2.0 instead of 0.5
    assert costs.of("nobody's", usage) == (None, 0)


class Paid:
    identity, model = "paid", "e"


def test_the_sum_of_tiny_embeddings_is_rounded_and_not_each() -> None:
    heard: list[Event] = []
    bill = EmbeddingBill(Paid(), PRICES, heard.append)  # type: ignore[arg-type]
    for _ in range(1000):
        bill.count(["four", "eight ch"])
    micros = [event.cost_micros for event in heard if isinstance(event, EmbeddingEvent)]
    assert sum(cost or 0 for cost in micros) == 60  # 3,000 tokens at 0.02 micro-dollars
    assert {type(event) for event in heard} == {EmbeddingEvent}


def test_an_embedder_that_names_no_model_is_on_no_bill() -> None:
    heard: list[Event] = []
    EmbeddingBill(object(), PRICES, heard.append).count(["text"])  # type: ignore[arg-type]
    assert heard == []
