"""How a benchmark measures: interleaved rounds, so that a busy machine hurts all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Row", "interleaved"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing: median and 99th percentile in microseconds, and its ratio to a base."""

    name: str
    p50_us: float
    p99_us: float
    ratio: float | None = None
    bar: str = ""


def interleaved(
    calls: Mapping[str, Callable[[int], object]], rounds: int
) -> dict[str, tuple[float, float]]:
    """Time each call once a round, all in turn; returns (p50, p99) in microseconds by name.

    A call gets the number of the round, so that it can ask for something else each time.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call(number)
            taken[name].append(1e6 * (time.perf_counter() - started))
    return {
        name: (statistics.median(times), statistics.quantiles(times, n=100)[98])
        for name, times in taken.items()
    }
