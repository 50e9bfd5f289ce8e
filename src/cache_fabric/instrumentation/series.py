"""Figures over time: one row a minute or an hour, from the sums that are kept of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.instrumentation.window import HOUR, MINUTE

__all__ = ["rows_over_time", "span_of"]

_MOST_MINUTES = 180
_SHOWN = (
    *("requests", "hits", "misses", "coalesced", "stale", "bypassed", "requests_by_outcome"),
    *("hit_rate", "avg_latency", "avg_hit_latency", "avg_miss_latency", "speedup", "latency"),
    *("cost_saved", "cost_avoided", "cost_overhead", "cost_reversed", "cost_spent"),
    *("tokens_saved", "tokens_spent", "evicted", "refused_near_misses"),
)


def span_of(minutes: int) -> int:
    """Return the seconds of a row where so many minutes are looked at: a minute or an hour."""
    return MINUTE if minutes <= _MOST_MINUTES else HOUR


def rows_over_time(
    spans: Mapping[int, Totals], seconds: int, first: int, last: int
) -> list[dict[str, Any]]:
    """Return the figures of each span, of those without any event as well, oldest first.

    ``at`` is its begin in seconds since the epoch, ``seconds`` its length; the other figures are
    those of `figures.figures`.

    Args:
        spans: Sums by the number of the span: how many have passed since the epoch.
        seconds: Length of a span.
        first, last: Numbers of the first and the last one.
    """
    rows = []
    for number in range(first, last + 1):
        found = figures(spans.get(number) or Totals())
        shown = {name: found[name] for name in _SHOWN}
        rows.append({"at": number * seconds, "seconds": seconds, **shown})
    return rows
