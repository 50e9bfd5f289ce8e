"""Finding and counting documents.

A search walks the full-text index down from the newest minute. It stops after so many documents
that were looked at in vain, with a cursor: neither a page nor the other callers of the worker
thread wait for a search through everything.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import insort
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from cache_fabric.stores._document_cursor import cursor_at, read_cursor
from cache_fabric.stores._sqlite_bodies import Body, Marks, decoded, encoded, unpacked
from cache_fabric.stores._sqlite_criteria import Criteria
from cache_fabric.stores._sqlite_file import transaction
from cache_fabric.stores._sqlite_numbers import (
    first_number,
    last_number,
    lateness,
    minute_of_number,
)
from cache_fabric.stores.documents import Found, Query

__all__ = ["Rest", "count_rest", "count_sure", "find"]

_MOST_LOOKED_AT = 3_000
"""Documents between two chances of other callers: about 50 ms."""

_WALK = """
    SELECT id, at, key, size, body, marks
    FROM document_tokens CROSS JOIN documents ON documents.id = document_tokens.rowid
    WHERE document_tokens MATCH ? AND document_tokens.rowid BETWEEN ? AND ?
        AND at >= ? AND (at < ? OR at = ? AND key < ?)
    ORDER BY document_tokens.rowid DESC
"""
_COUNT = """
    SELECT count(*) FROM document_tokens WHERE document_tokens MATCH ? AND rowid BETWEEN ? AND ?
"""

_Place = tuple[float, bytes]


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    at: float
    key: bytes
    value: bytes
    matches: bool


class _Page:
    """What was found, put in order: newest first, then by key from high to low."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, bytes, bytes]] = []
        self._waiting: list[tuple[float, bytes, bytes]] = []  # the first to be shown is the last

    def add(self, row: _Row) -> None:
        insort(self._waiting, (row.at, row.key, row.value))

    def show_above(self, at: float) -> None:
        """Show what is newer: nothing of that age will be added any more."""
        while self._waiting and self._waiting[-1][0] > at:
            self.rows.append(self._waiting.pop())

    def found(self, limit: int, ended_at: _Place | None) -> Found:
        """Return the first so many; ``ended_at`` is where the search was given up."""
        shown = self.rows[:limit]
        items = tuple((decoded(key), value) for _, key, value in shown)
        if len(self.rows) > limit:
            ended_at = shown[-1][:2]
        return Found(items, ended_at and cursor_at((ended_at[0], decoded(ended_at[1]))))


def find(
    connection: sqlite3.Connection,
    scopes: tuple[int, int],
    query: Query,
    after: str | None,
    limit: int,
) -> Found:
    """Return a page.

    Args:
        connection: Any.
        scopes: Of the kind, and of the blobs.
        query: What to find.
        after: A cursor.
        limit: Of documents.

    Raises:
        ValidationError: The cursor is not one of ours.
    """
    below: _Place = (_until(query), b"")
    if after is not None:
        at, key = read_cursor(after)
        below = min(below, (at, encoded(key)))
    page, minute, late = _Page(), -1, 0.0
    with transaction(connection, "DEFERRED"), ExitStack() as on_leaving:
        criteria = Criteria(connection, *scopes, query)
        numbers = first_number(_since(query)), last_number(below[0])
        walk = _walk(connection, criteria, criteria.maybe, numbers, (_since(query), below))
        on_leaving.callback(walk.close)
        for looked_at, row in enumerate(walk):
            if minute != minute_of_number(row.number):
                minute = minute_of_number(row.number)
                late = lateness(connection, minute)
                page.show_above(-math.inf)
            page.show_above(row.at + late)
            if len(page.rows) > limit:
                return page.found(limit, None)
            next_place = (math.nextafter(row.at + late, math.inf), b"")
            if looked_at >= _MOST_LOOKED_AT and next_place < below:
                return page.found(limit, next_place)
            if row.matches:
                page.add(row)
    page.show_above(-math.inf)
    return page.found(limit, None)


@dataclass(frozen=True, slots=True)
class Rest:
    """Documents that must be looked at to be counted: those of an expression, of a range."""

    expression: str
    first: int
    last: int


def count_sure(
    connection: sqlite3.Connection, scopes: tuple[int, int], query: Query
) -> tuple[int, list[Rest]]:
    """Return how many match by the index alone, and where others may be that do."""
    with transaction(connection, "DEFERRED"):
        criteria = Criteria(connection, *scopes, query)
        if criteria.maybe is None:
            return 0, []
        # In the minutes in which the range begins and ends, each document's own time decides.
        first, last = first_number(_since(query)), last_number(_until(query))
        inner_first = first if query.since is None else last_number(_since(query)) + 1
        inner_last = last if query.until is None else first_number(_until(query)) - 1
        if inner_first > inner_last:
            return 0, [Rest(criteria.maybe, first, last)]
        rest = [
            Rest(criteria.maybe, first, inner_first - 1),
            Rest(criteria.maybe, inner_last + 1, last),
        ]
        if criteria.sure is None:
            return 0, [*rest, Rest(criteria.maybe, inner_first, inner_last)]
        if criteria.sure != criteria.maybe:
            unsure = f"({criteria.maybe}) NOT ({criteria.sure})"
            rest.append(Rest(unsure, inner_first, inner_last))
        within = (criteria.sure, inner_first, inner_last)
        counted = connection.execute(_COUNT, within).fetchone()[0]
    return counted, [each for each in rest if each.first <= each.last]


def count_rest(
    connection: sqlite3.Connection, scopes: tuple[int, int], query: Query, rest: Rest
) -> tuple[int, Rest | None]:
    """Look at some documents of a rest: how many match, and what is left to be looked at."""
    counted = 0
    with transaction(connection, "DEFERRED"), ExitStack() as on_leaving:
        criteria = Criteria(connection, *scopes, query)
        times = _since(query), (_until(query), b"")
        walk = _walk(connection, criteria, rest.expression, (rest.first, rest.last), times)
        on_leaving.callback(walk.close)
        for looked_at, row in enumerate(walk):
            if looked_at == _MOST_LOOKED_AT:
                return counted, Rest(rest.expression, rest.first, row.number)
            counted += row.matches
    return counted, None


def _walk(
    connection: sqlite3.Connection,
    criteria: Criteria,
    expression: str | None,
    numbers: tuple[int, int],
    times: tuple[float, _Place],
) -> Generator[_Row, None, None]:
    """Yield documents by number, from high to low."""
    if expression is None:
        return
    since, (at, key) = times
    found = connection.execute(_WALK, (expression, *numbers, since, at, at, key))
    with closing(found):
        for number, at, key, size, body, marks in found:
            value, behind = unpacked(size, body)
            matches = not criteria.looks or criteria.hold(Body.read(behind), Marks.read(marks))
            yield _Row(number, at, key, value, matches)


def _since(query: Query) -> float:
    return -math.inf if query.since is None else query.since


def _until(query: Query) -> float:
    return math.inf if query.until is None else query.until
