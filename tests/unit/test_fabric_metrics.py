"""`FabricMetrics` in a notebook: a dictionary that is shown, told apart and drawn."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from cache_fabric import FabricMetrics
from cache_fabric.errors import MissingExtraError, ValidationError
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.instrumentation.measured import frame
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.types import Usage

USAGE = Usage(input_tokens=90, output_tokens=10)
NAUGHTY = "<script>alert(1)</script>"


def measured(*events: Event) -> FabricMetrics:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return FabricMetrics({"scope": "fabric", "since": None, **figures(metrics.totals())})


def hit(**more: Any) -> LookupEvent:
    told: dict[str, Any] = {"model": NAUGHTY, "tier": "hot", "saved_micros": 500, "usage": USAGE}
    return LookupEvent(outcome="hit", reason="", seconds=0.002, **{**told, **more})


BUSY = (
    LookupEvent(outcome="miss", model="m", reason="", seconds=0.01),
    StoreEvent(outcome="stored", model="m", seconds=1.0, usage=USAGE, cost_micros=500),
    hit(),
    hit(tenant="a"),
)


def test_it_is_the_dictionary_of_the_seed() -> None:
    found = measured(*BUSY)
    assert found["hit_rate"] == pytest.approx(200 / 3)
    assert found == dict(found)
    assert json.loads(json.dumps(found))["cost_saved"] == 0.001


def test_a_notebook_shows_what_is_known_and_a_dash_for_what_is_not() -> None:
    busy, idle = measured(*BUSY)._repr_html_(), measured()._repr_html_()
    assert ">Cache Fabric, all processes</caption>" in busy
    assert "66.7 % (" in busy
    assert "$0.001000" in busy
    assert "\u2013" in idle
    assert "$" not in idle.replace("$0.000000", "")  # nothing was reversed; no other sum is known
    assert NAUGHTY not in busy


def test_money_without_most_of_the_prices_is_marked_as_an_estimate() -> None:
    unpriced = hit(saved_micros=None)
    assert "estimate: 50 % of answers have a price" in measured(hit(), unpriced)._repr_html_()
    assert "estimate" not in measured(*BUSY)._repr_html_()


def test_money_by_tokens_that_nobody_counted_is_marked_as_an_estimate() -> None:
    guessed = hit(usage=Usage(input_tokens=10, output_tokens=5, estimated=True))
    shown = measured(*BUSY, guessed)._repr_html_()
    assert "estimate: the provider did not count the tokens of 25 %" in shown


def test_it_is_told_apart_by_name_and_by_tier() -> None:
    found = measured(*BUSY)
    assert [row["name"] for row in found.rows("tenant")] == ["(none)", "a"]
    tiers = {row["name"]: row for row in found.rows("tier")}
    assert (tiers["hot"]["count"], tiers["miss"]["count"]) == (2, 1)
    with pytest.raises(ValidationError, match="by: expected model, tenant"):
        found.rows("user")


def test_rows_are_copies() -> None:
    found = measured(*BUSY)
    found.rows("model")[0]["hits"] = 99
    assert found.rows("model")[0]["hits"] == 2


@pytest.mark.parametrize("events", [BUSY, ()])
def test_it_can_be_drawn(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    requests, latency, money = measured(*events).plot()
    names = [label.get_text() for label in requests.get_xticklabels()]
    heights = dict(zip(names, (bar.get_height() for bar in requests.patches), strict=True))
    assert (heights["hit"], heights["miss"]) == ((2, 1) if events else (0, 0))
    assert len(latency.patches) == (6 if events else 0)  # three quantiles of hot and of miss
    amounts = [text.get_text() for text in money.texts]
    assert amounts == ([] if events else ["\u2013", "\u2013", "\u2013"])
    latency.figure.canvas.draw()
    pyplot.close(latency.figure)


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[notebook\]"):
        measured().plot()
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[notebook\]"):
        frame([], "at")
