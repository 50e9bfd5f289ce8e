"""The table of ``cache-fabric bench eviction``: a case a line, a policy a column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from cache_fabric.bench.eviction import EvictionRow

__all__ = ["eviction_table"]


def eviction_table(rows: Sequence[EvictionRow]) -> Table:
    """Show what each policy saved, and in brackets how much more than the first one."""
    table = Table(
        title="cost saved, % of all requests (gain over LRU, %), at a tenth of the capacity needed",
        title_justify="left",
    )
    for column in ("stream", "hits by", "costs", "bound"):
        table.add_column(column)
    for policy in dict.fromkeys(row.policy for row in rows):
        table.add_column(policy, justify="right")
    for case, of_case in groupby(rows, key=lambda row: row.case):
        stream = f"{case.stream}, turned over" if case.turned_over else case.stream
        found = [f"{row.saved:.1f} ({row.gain:+.1f})" for row in of_case]
        table.add_row(stream, case.by, case.costs, case.bound, *found)
    return table
