"""Metric families of one shape each; a value that is not known has no sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cache_fabric.errors import MissingExtraError

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
except ModuleNotFoundError as error:
    raise MissingExtraError("otel", "the Prometheus collector") from error

__all__ = [
    "BOUNDS",
    "Labelled",
    "Metric",
    "counter",
    "counters",
    "gauge",
    "gauges",
    "histogram",
]

Labelled = Mapping[tuple[str, ...], float | None]
_PREFIX = "cachefabric_"

BOUNDS = (
    *(0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Seconds of every histogram; what is counted has buckets so fine that these may be any."""


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """Return what only grows."""
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def counters(name: str, text: str, labels: Sequence[str], values: Labelled) -> CounterMetricFamily:
    """Return what only grows, by labels."""
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for of, value in values.items():
        if value is not None:
            family.add_metric(of, value)
    return family


def gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """Return what may go up and down."""
    return gauges(name, text, (), {(): value})


def gauges(name: str, text: str, labels: Sequence[str], values: Labelled) -> GaugeMetricFamily:
    """Return what may go up and down, by labels."""
    family = GaugeMetricFamily(_PREFIX + name, text, labels=labels)
    for of, value in values.items():
        if value is not None:
            family.add_metric(of, value)
    return family


def histogram(
    name: str,
    text: str,
    labels: Sequence[str],
    values: Mapping[tuple[str, ...], tuple[Sequence[int], float]],
) -> HistogramMetricFamily:
    """Return durations by labels: how many were at most each bound and in all, and their sum."""
    family = HistogramMetricFamily(_PREFIX + name, text, labels=labels)
    names = [*map(str, BOUNDS), "+Inf"]
    for of, (counts, seconds) in values.items():
        family.add_metric(of, list(zip(names, counts, strict=True)), seconds)
    return family
