"""Quantiles of latencies that add up over processes: DDSketch (Masson, Rim, Lee 2019).

The buckets are those of the library's mapping, kept in a counter like every other sum, so that
they are written, added and taken off as all sums are; the library finds the quantiles.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log
from typing import Any

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

__all__ = ["bucket", "cumulative", "quantiles"]

_ACCURACY = 0.01  # of a quantile, relative
_SHORTEST = 1e-7  # seconds; below what the clock can tell apart
_MAPPING = LogarithmicMapping(_ACCURACY)
_SCALE = 1.0 / math.log(_MAPPING.gamma)
_SHOWN = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def bucket(kind: str, seconds: float) -> str:
    """Return the name of the bucket of a latency."""
    # As ``_MAPPING.key`` does, at a third of its time: every lookup pays for it.
    return f"{kind}.{ceil(log(seconds if seconds > _SHORTEST else _SHORTEST) * _SCALE)}"


def quantiles(buckets: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return, by kind, the count and the quantiles in milliseconds, each within 1 %."""
    stores: dict[str, DenseStore] = {}
    counts: Counter[str] = Counter()
    for kind, key, count in _parts(buckets):
        stores.setdefault(kind, DenseStore()).add(key, count)
        counts[kind] += count
    found: dict[str, dict[str, Any]] = {}
    for kind in sorted(stores):
        sketch = BaseDDSketch(_MAPPING, stores[kind], DenseStore(), 0)
        shown = {name: 1e3 * (sketch.get_quantile_value(at) or 0.0) for name, at in _SHOWN.items()}
        found[kind] = {"count": counts[kind], **shown}
    return found


def cumulative(buckets: Mapping[str, int], bounds: Sequence[float]) -> dict[str, list[int]]:
    """Return, by kind, how many were at most each of some seconds, and then how many in all.

    What is less than 2 % below a bound may count as above it, never the other way round.
    """
    last = [floor(log(bound) * _SCALE) for bound in bounds]
    found: dict[str, list[int]] = {}
    for kind, key, count in _parts(buckets):
        counts = found.setdefault(kind, [0] * (len(bounds) + 1))
        for at in range(bisect_left(last, key), len(counts)):
            counts[at] += count
    return found


def _parts(buckets: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    for name, count in buckets.items():
        kind, _, key = name.partition(".")
        if count > 0:
            yield kind, int(key), count
