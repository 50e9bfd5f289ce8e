"""The tables of ``cache-fabric stats``."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from cache_fabric.instrumentation.headline import headline, shown
from cache_fabric.instrumentation.measured import FabricMetrics
from cache_fabric.ledger import Inspection

__all__ = ["by_name", "summary"]

_OF_TIER = ("served", "p50", "p95", "p99")
_OF_NAME = ("lookups", "hits", "hit rate", "avoided", "tokens avoided")


def summary(metrics: FabricMetrics, window: str | None, kept: Inspection | None = None) -> Table:
    """Return the figures of everything, with what is kept below them."""
    table = Table(title=_title(metrics, window), show_header=False, title_justify="left")
    for label, text in headline(metrics):
        table.add_row(label, text)
    if kept is not None:
        table.add_section()
        table.add_row("answers kept", f"{sum(kept.answers.values()):,} ({kept.bytes / 1e6:.1f} MB)")
        for model, count in kept.answers.items():
            table.add_row(Text(f"  {model}"), f"{count:,}")
        table.add_row("contexts", f"{kept.contexts:,}")
        table.add_row("executions", f"{kept.executions:,}")
    return table


def by_name(metrics: FabricMetrics, by: str, window: str | None) -> Table:
    """Return a row for each name; raises `ValidationError` as `FabricMetrics.rows` does."""
    rows = metrics.rows(by)
    table = Table(title=_title(metrics, window), title_justify="left")
    table.add_column(by)
    for header in _OF_TIER if by == "tier" else _OF_NAME:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(Text(str(row["name"])), *(_of_tier(row) if by == "tier" else _of_name(row)))
    return table


def _of_tier(row: dict[str, Any]) -> list[str]:
    return [f"{row['count']:,}", *(f"{row[name]:,.2f} ms" for name in _OF_TIER[1:])]


def _of_name(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['lookups']:,}",
        f"{row['hits']:,}",
        shown(row["hit_rate"], "{:.1f} %"),
        f"${row['cost_avoided']:,.6f}",
        f"{row['tokens_avoided']:,}",
    ]


def _title(metrics: FabricMetrics, window: str | None) -> str:
    since = "" if window is None else f", the last {window}"
    return f"Cache Fabric{since}{'' if metrics['scope'] == 'fabric' else ' (this process alone)'}"
