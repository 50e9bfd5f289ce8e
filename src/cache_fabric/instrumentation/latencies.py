"""Quantiles of latencies that add up over processes: DDSketch (Masson, Rim, Lee 2019).

The buckets are those of the library's mapping, kept in a counter like every other sum, so that
they are written, added and taken off as all sums are; the library finds the quantiles.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from math import ceil, log
from typing import Any

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

__all__ = ["bucket", "quantiles"]

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
    for name, count in buckets.items():
        kind, _, key = name.partition(".")
        if count > 0:
            stores.setdefault(kind, DenseStore()).add(int(key), count)
            counts[kind] += count
    found: dict[str, dict[str, Any]] = {}
    for kind in sorted(stores):
        sketch = BaseDDSketch(_MAPPING, stores[kind], DenseStore(), 0)
        shown = {name: 1e3 * (sketch.get_quantile_value(at) or 0.0) for name, at in _SHOWN.items()}
        found[kind] = {"count": counts[kind], **shown}
    return found
