"""What the labels of a learning policy come to in the figures."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.instrumentation.events import LabelEvent
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.instrumentation.totals import Totals


def label(right: bool, weight: float = 0.0, drifted: bool = False) -> LabelEvent:
    return LabelEvent(
        policy="verified",
        family="f",
        probability=0.9,
        similarity=0.8,
        right=right,
        weight=weight,
        drifted=drifted,
    )


def after(*events: LabelEvent) -> dict[str, Any]:
    metrics = Metrics()
    for event in events:
        metrics(event)
    return figures(metrics.totals())


def test_every_label_and_every_drift_is_counted() -> None:
    found = after(label(True), label(False), label(False, 50.0, drifted=True))
    assert (found["labels"], found["drifts"]) == (3, 1)


def test_wrong_hits_are_estimated_from_sampled_labels_alone() -> None:
    found = after(label(False), *[label(True, 50.0)] * 47, *[label(False, 50.0)] * 3)
    assert found["wrong_semantic_hits"] == {
        "percent": pytest.approx(6.0),
        "low": pytest.approx(2.06, abs=0.05),
        "high": pytest.approx(16.22, abs=0.05),
        "sampled": 50,
    }


def test_without_a_sample_the_share_is_unknown_and_not_0() -> None:
    found = after(label(True), label(False))["wrong_semantic_hits"]
    assert found == {"percent": None, "low": 0.0, "high": 100.0, "sampled": 0}


def test_sums_of_labels_survive_being_kept_and_added() -> None:
    metrics = Metrics()
    metrics(label(False, 2.5, drifted=True))
    kept = Totals.of(metrics.totals().plain())
    assert kept == metrics.totals()
    kept.add(metrics.totals())
    assert (kept.labels, kept.sampled_wrong, kept.sampled_squares) == (2, 5.0, 12.5)
