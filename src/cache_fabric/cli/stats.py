"""``cache-fabric stats``: what is kept, and what it was worth."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from cache_fabric.cli._fabric import FabricOption, JsonOption, open_fabric, print_json

__all__ = ["stats"]


def stats(fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Show what is kept and measured, over all processes that used this fabric."""
    opened = open_fabric(fabric)
    try:
        found = opened.sync.inspect()
    finally:
        opened.sync.close()
    if json:
        print_json(dataclasses.asdict(found))
        return
    table = Table(title="Cache Fabric", show_header=False, title_justify="left")
    for name, value in _rows(found.metrics):
        table.add_row(name, value)
    table.add_section()
    table.add_row("answers kept", f"{sum(found.answers.values()):,} ({found.bytes / 1e6:.1f} MB)")
    for model, count in found.answers.items():
        table.add_row(f"  {model}", f"{count:,}")
    table.add_row("contexts", f"{found.contexts:,}")
    table.add_row("executions", f"{found.executions:,}")
    Console().print(table)


def _rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("requests", f"{metrics['requests']:,}"),
        ("hit rate", _shown(metrics["hit_rate"], "{:.1f} %")),
        ("average latency", _shown(metrics["avg_latency"], "{:.1f} ms")),
        ("  of hits", _shown(metrics["avg_hit_latency"], "{:.2f} ms")),
        ("  of misses", _shown(metrics["avg_miss_latency"], "{:.1f} ms")),
        ("speedup", _shown(metrics["speedup"], "{:.2f}x")),
        ("cost saved", _shown(metrics["cost_saved"], "${:,.6f}")),
        ("tokens saved", f"{metrics['tokens_saved']:,}"),
        ("stale answers", f"{metrics['stale'] + metrics['stale_if_error']:,}"),
        ("evicted", f"{metrics['evicted']:,} ({metrics['evicted_bytes'] / 1e6:.1f} MB)"),
        ("refused near misses", f"{metrics['refused_near_misses']:,}"),
        *_shadow_rows(metrics["shadow"]),
    ]


def _shadow_rows(shadow: dict[str, Any] | None) -> list[tuple[str, str]]:
    if shadow is None:
        return []
    return [
        ("shadow: would-be hits", f"{shadow['hits']:,} of {shadow['judged']:,}"),
        ("  right, where known", _shown(shadow["right"], "{:.1f} %")),
        ("  known", f"{shadow['labelled']:,}"),
        ("  decides alike", _shown(shadow["agreement"], "{:.1f} %")),
        ("  faults", f"{shadow['faults']:,}"),
    ]


def _shown(value: float | None, form: str) -> str:
    return "\u2013" if value is None else form.format(value)
