"""What was avoided for whom: sums by model, tenant and so on, of which only so many names.

The names that saved most keep a row of their own; the rest add up in one row, so that the sum over
all rows of a dimension stays exact. A row is what `ROW` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cache_fabric.instrumentation.answer_events import LookupEvent, StoreEvent

__all__ = ["DIMENSIONS", "OTHER", "ROW", "Shares"]

DIMENSIONS = ("model", "tenant", "graph", "tag", "context")
ROW = ("lookups", "hits", "micros", "tokens", "shared", "failed")
"""``shared`` are coalesced and stale ones, ``failed`` misses whose call gave no answer."""

OTHER = "(other)"
_NONE = "(none)"
_MOST_NAMES = 100
_MOST_CELLS = 200
_LONGEST = 200  # characters
_SEPARATOR = "\x1f"  # of the paths of contexts

Row = list[int]
Cell = tuple[str, str | None, str | None, tuple[str, ...], tuple[tuple[str, int], ...]]


class Shares:
    """Sums by dimension and name.

    A request has one cell, whatever it has tags and contexts, so that counting it is one step; the
    cells are spread over the dimensions later.
    """

    __slots__ = ("_cells", "_rows")

    def __init__(self) -> None:
        self._cells: dict[Cell, Row] = {}
        self._rows: dict[str, dict[str, Row]] = {name: {} for name in DIMENSIONS}

    def count(self, event: LookupEvent) -> None:
        """Count a lookup."""
        row = self._row(event)
        row[0] += 1
        if event.outcome == "hit":
            row[4 if event.stale or event.tier == "flight" else 1] += 1
            row[2] += event.saved_micros or 0
            usage = event.usage
            row[3] += 0 if usage is None else usage.input_tokens + usage.output_tokens

    def count_failed(self, event: StoreEvent) -> None:
        """Count a call that gave no answer, whose lookup was counted as a miss."""
        self._row(event)[5] += 1

    def add(self, other: Shares, sign: int = 1) -> None:
        """Add the sums of another process, or with ``sign=-1`` take them off."""
        for dimension, rows in other.rows().items():
            for name, row in rows.items():
                self._add(dimension, name, row, sign)
            if sign < 0:  # of a name that is among the others by now
                self.forget(dimension, [n for n, r in self._rows[dimension].items() if min(r) < 0])
        self._trim()

    def rows(self) -> Mapping[str, Mapping[str, Row]]:
        """Return the rows by dimension and name."""
        self._spread()
        return self._rows

    def forget(self, dimension: str, names: Iterable[str]) -> bool:
        """Take names out of a dimension: what they had is ``(other)``'s; whether any was there."""
        self._spread()
        found = [row for name in names if (row := self._rows[dimension].pop(name, None))]
        for row in found:
            self._add(dimension, OTHER, row)
        return bool(found)

    def plain(self) -> dict[str, dict[str, Row]]:
        """Return the rows as plain data."""
        return {dimension: dict(rows) for dimension, rows in self.rows().items() if rows}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Shares:
        """Read back what `plain` wrote."""
        shares = cls()
        for dimension in DIMENSIONS:
            for name, row in data.get(dimension, {}).items():
                shares._add(dimension, name, row)
        return shares

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shares) and self.plain() == other.plain()

    __hash__ = None  # type: ignore[assignment]

    def _row(self, event: LookupEvent | StoreEvent) -> Row:
        cell = (event.model, event.tenant, event.graph, event.tags, event.contexts)
        row = self._cells.get(cell)
        if row is None:
            if len(self._cells) >= _MOST_CELLS:
                self._spread()
            row = self._cells[cell] = [0] * len(ROW)
        return row

    def _spread(self) -> None:
        cells, self._cells = self._cells, {}
        for cell, row in cells.items():
            for dimension, name in _names(cell):
                self._add(dimension, _writable(name), row)
        if cells:
            self._trim()

    def _add(self, dimension: str, name: str, row: Row, sign: int = 1) -> None:
        mine = self._rows[dimension].setdefault(name, [0] * len(ROW))
        for at, number in enumerate(row):
            mine[at] += sign * number

    def _trim(self) -> None:
        for dimension, rows in self._rows.items():
            if len(rows) <= 2 * _MOST_NAMES:  # seldom, as it costs a sort
                continue
            ranked = sorted(
                (name for name in rows if name != OTHER),
                key=lambda name: (rows[name][2], rows[name][1], rows[name][0], name),
                reverse=True,
            )
            for name in ranked[_MOST_NAMES:]:
                self._add(dimension, OTHER, rows.pop(name))


def _writable(name: str) -> str:
    return name[:_LONGEST].encode(errors="replace").decode()


def _names(cell: Cell) -> Iterator[tuple[str, str]]:
    model, tenant, graph, tags, contexts = cell
    yield "model", model
    yield "tenant", _NONE if tenant is None else tenant
    yield "graph", _NONE if graph is None else graph
    for tag in tags:
        yield "tag", tag
    for path, behaviour in contexts:
        scope, *_, key = path.split(_SEPARATOR)
        # What is narrower than everybody's may be named after somebody.
        yield "context", f"{key}@{behaviour}" if scope == "global" else f"({scope})"
