"""What ``get_metrics`` returns: the figures as a dictionary that a notebook can show and plot."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import MissingExtraError, ValidationError
from cache_fabric.instrumentation.headline import headline
from cache_fabric.instrumentation.shares import DIMENSIONS
from cache_fabric.viewed import html_table

__all__ = ["BY", "FabricMetrics", "frame"]

BY = (*DIMENSIONS, "tier")
"""By what figures are told apart."""

_QUANTILES = ("p50", "p95", "p99")
_AMOUNTS = {"avoided": "cost_avoided", "overhead": "cost_overhead", "reversed": "cost_reversed"}


class FabricMetrics(dict[str, Any]):
    """The figures of ``get_metrics`` by name; see `figures.figures` for what each is made of."""

    def rows(self, by: str) -> list[dict[str, Any]]:
        """Return one row for each name of what figures are told apart by.

        By ``model``, ``tenant``, ``graph``, ``tag`` or ``context``: what was avoided for whom
        (`money.savings`). By ``tier``: how many requests were answered by each tier of the cache,
        and by the model (``miss``), with quantiles of their latency in milliseconds.

        Raises:
            ValidationError: It is none of these.
        """
        if by not in BY:
            raise ValidationError("by", f"expected {', '.join(BY[:-1])} or {BY[-1]}, got {by!r}")
        if by != "tier":
            return [dict(row) for row in self["savings"][by]]
        return [{"name": tier, **latency} for tier, latency in self["latency"].items()]

    def plot(self) -> Any:
        """Draw requests by outcome, latencies by tier and money; returns the three axes.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        try:
            pyplot = importlib.import_module("matplotlib.pyplot")
        except ImportError as error:
            raise MissingExtraError("notebook", "FabricMetrics.plot") from error
        _, axes = pyplot.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
        _bars(axes[0], "requests", self["requests_by_outcome"])
        self._latencies(axes[1])
        amounts = {label: self[name] for label, name in _AMOUNTS.items()}
        _bars(axes[2], "dollars", {**amounts, "net saved": self["cost_saved"]})
        return axes

    def _latencies(self, axis: Any) -> None:
        tiers = self.rows("tier")
        for shift, name in enumerate(_QUANTILES):
            places = [place + 0.27 * (shift - 1) for place in range(len(tiers))]
            axis.bar(places, [row[name] for row in tiers], 0.25, label=name)
        axis.set_xticks(range(len(tiers)), [row["name"] for row in tiers])
        axis.set_title("latency in ms")
        if tiers:
            axis.set_yscale("log")
            axis.set_ylim(bottom=0.3 * min(row["p50"] for row in tiers))
            axis.legend()

    def _repr_html_(self) -> str:
        whose = "all processes" if self["scope"] == "fabric" else "this process alone"
        return html_table(f"Cache Fabric, {whose}", headline(self))


def frame(rows: list[dict[str, Any]], index: str) -> Any:
    """Return rows as a pandas DataFrame; what is nested has columns such as ``latency.hot.p95``.

    Args:
        rows: Plain figures.
        index: Which of them is the index; ``at`` becomes a time in UTC.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise MissingExtraError("notebook", "metrics_frame") from error
    made = pandas.json_normalize(rows) if rows else pandas.DataFrame(columns=[index])
    if index == "at":
        made["at"] = pandas.to_datetime(made["at"], unit="s", utc=True)
    return made.set_index(index)


def _bars(axis: Any, title: str, amounts: Mapping[str, float | None]) -> None:
    """Draw what is known; what is not has a dash in place of its bar."""
    axis.bar(range(len(amounts)), [value or 0 for value in amounts.values()])
    for place, value in enumerate(amounts.values()):
        if value is None:
            axis.text(place, 0, "\u2013", ha="center")
    axis.set_xticks(range(len(amounts)), list(amounts), rotation=30)
    axis.set_title(title)
