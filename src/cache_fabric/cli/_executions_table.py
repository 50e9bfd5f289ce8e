"""The tables of ``cache-fabric bench executions``: writes, bytes, and pages of searches."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from cache_fabric.bench.executions.measure import Figures

__all__ = ["show_executions"]


def show_executions(figures: Figures, console: Console) -> None:
    """Print all of it; the bars are what DESIGN.md promises."""
    console.print(_writes(figures))
    console.print(
        f"bytes of the file, a run: {figures.bytes_per_run:,.0f} (at most 1,024);"
        f" peer {figures.peer_bytes_per_run:,.0f}"
    )
    console.print(_searches(figures))
    worst = max(figures.searches, key=lambda search: search.p95_ms)
    console.print(f"slowest p95: {worst.p95_ms:.1f} ms, {worst.name} (at most 100 ms)")
    console.print("peer: SQLite, JSON column, json_extract and LIKE '%word%', index on time")


def _writes(figures: Figures) -> Table:
    table = Table(title=f"{figures.runs:,} executions, writes", title_justify="left")
    table.add_column("what")
    for column in ("a second", "p50 \u00b5s", "p99 \u00b5s"):
        table.add_column(column, justify="right")
    table.add_column("bar")
    for track in figures.tracks:
        rate = "" if track.per_second is None else f"{track.per_second:,.0f}"
        calls = ["" if us is None else f"{us:,.1f}" for us in (track.p50_us, track.p99_us)]
        table.add_row(track.name, rate, *calls, track.bar)
    return table


def _searches(figures: Figures) -> Table:
    table = Table(title="a page of 50, ms", title_justify="left")
    table.add_column("filter")
    for column in ("found", "p50", "p95", "peer p50", "peer p95"):
        table.add_column(column, justify="right")
    for search in figures.searches:
        ours = (search.p50_ms, search.p95_ms)
        peers = (search.peer_p50_ms, search.peer_p95_ms)
        cells = [f"{ms:,.1f}" for ms in (*ours, *peers)]
        table.add_row(search.name, f"{search.found:.1f}", *cells)
    return table
