"""Figures in words for people: what `cache-fabric stats` and a notebook show. Pure.

A figure that is not known is a dash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DASH", "headline", "shown"]

DASH = "\u2013"
_SURE = 95.0  # percent of answers priced by counted tokens, below which an amount is an estimate


def headline(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return labels and texts, in the order in which they are read; of ``get_metrics``."""
    return [
        ("requests", f"{metrics['requests']:,}"),
        ("hit rate", _rate(metrics)),
        ("average latency", shown(metrics["avg_latency"], "{:.1f} ms")),
        ("  of hits", shown(metrics["avg_hit_latency"], "{:.2f} ms")),
        ("  of misses", shown(metrics["avg_miss_latency"], "{:.1f} ms")),
        ("speedup", shown(metrics["speedup"], "{:.2f}x")),
        *_money(metrics),
        ("tokens saved", f"{metrics['tokens_saved']:,}"),
        ("wrong semantic hits", _wrong(metrics["wrong_semantic_hits"])),
        ("stale answers", f"{metrics['stale'] + metrics['stale_if_error']:,}"),
        ("evicted", f"{metrics['evicted']:,} ({metrics['evicted_bytes'] / 1e6:.1f} MB)"),
        ("refused near misses", f"{metrics['refused_near_misses']:,}"),
        *_shadow(metrics["shadow"]),
    ]


def shown(value: float | None, form: str) -> str:
    """Return a figure in a form, a dash for one that is not known."""
    return DASH if value is None else form.format(value)


def _rate(metrics: Mapping[str, Any]) -> str:
    rate = shown(metrics["hit_rate"], "{:.1f} %")
    interval = metrics["hit_rate_interval"]
    return rate if interval is None else f"{rate} ({interval[0]:.1f} to {interval[1]:.1f} %)"


def _money(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    coverage, guessed = metrics["pricing_coverage"], metrics["pricing_estimated"]
    saved = shown(metrics["cost_saved"], "${:,.6f}")
    why = []
    if coverage is not None and coverage < _SURE:
        why.append(f"{coverage:.0f} % of answers have a price")
    if guessed is not None and guessed > 100.0 - _SURE:
        why.append(f"the provider did not count the tokens of {guessed:.0f} %")
    if why and metrics["cost_saved"] is not None:
        saved = f"{saved} (estimate: {', '.join(why)})"
    return [
        ("cost saved", saved),
        ("  avoided", shown(metrics["cost_avoided"], "${:,.6f}")),
        ("  overhead", shown(metrics["cost_overhead"], "${:,.6f}")),
        ("  reversed", shown(metrics["cost_reversed"], "${:,.6f}")),
    ]


def _wrong(wrong: Mapping[str, Any]) -> str:
    if wrong["percent"] is None:
        return DASH
    interval = f"{wrong['low']:.1f} to {wrong['high']:.1f} %"
    return f"{wrong['percent']:.1f} % ({interval}, {wrong['sampled']:,} sampled)"


def _shadow(shadow: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if shadow is None:
        return []
    return [
        ("shadow: would-be hits", f"{shadow['hits']:,} of {shadow['judged']:,}"),
        ("  right, where known", shown(shadow["right"], "{:.1f} %")),
        ("  known", f"{shadow['labelled']:,}"),
        ("  decides alike", shown(shadow["agreement"], "{:.1f} %")),
        ("  faults", f"{shadow['faults']:,}"),
    ]
