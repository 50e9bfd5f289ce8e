"""Finding and counting documents.

A search walks the full-text index down from the newest number. It stops after so many documents
with what it has, and a cursor: neither its caller nor the others that wait for the worker thread
wait for a search through everything.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import insort
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from cache_fabric.stores._document_cursor import cursor_at, read_cursor
from cache_fabric.stores._sqlite_bodies import Body, Marks, decoded, encoded, unpacked
from cache_fabric.stores._sqlite_criteria import Criteria
from cache_fabric.stores._sqlite_file import transaction
from cache_fabric.stores._sqlite_numbers import (
    first_possible,
    first_sure,
    last_possible,
    last_sure,
    newest_and_lateness,
    span_of_number,
)
from cache_fabric.stores.documents import Found, Query

__all__ = ["Rest", "count_rest", "count_sure", "find"]

_MOST_LOOKED_AT = 3_000
"""Documents between two chances of other callers: about 50 ms."""

_WALK = """
    SELECT id, at, size, body, marks
    FROM document_tokens CROSS JOIN documents ON documents.id = document_tokens.rowid
    WHERE document_tokens MATCH ? AND document_tokens.rowid BETWEEN ? AND ? AND at >= ? AND at <= ?
    ORDER BY document_tokens.rowid DESC
"""
_COUNT = """
    SELECT count(*) FROM document_tokens WHERE document_tokens MATCH ? AND rowid BETWEEN ? AND ?
"""

_Place = tuple[float, bytes]
_Item = tuple[float, bytes, bytes]
_Row = tuple[float, int, int, bytes, bytes | None]
"""Time, number, size, body and marks of a document, which is opened as late as can be."""


class _Page:
    """What was found, put in order: newest first, then by key from high to low."""

    def __init__(self, below: _Place) -> None:
        self.items: list[_Item] = []
        self._below = below
        self._waiting: list[_Row] = []  # the oldest first

    def add(self, row: _Row) -> None:
        insort(self._waiting, row)

    def show_above(self, at: float, enough: int) -> None:
        """Show what is newer, which nothing that is still to come can be."""
        while self._waiting and self._waiting[-1][0] > at and len(self.items) < enough:
            self.items += sorted(self._of_one_time(), reverse=True)

    def found(self, limit: int, ended_at: _Place | None) -> Found:
        """Return the first so many; ``ended_at`` is where the search was given up."""
        shown = self.items[:limit]
        if len(self.items) > limit:
            ended_at = shown[-1][:2]
        cursor = None if ended_at is None else cursor_at((ended_at[0], decoded(ended_at[1])))
        return Found(tuple((decoded(key), value) for _, key, value in shown), cursor)

    def _of_one_time(self) -> Iterator[_Item]:
        newest = self._waiting[-1][0]
        while self._waiting and self._waiting[-1][0] == newest:
            at, _, size, body, _ = self._waiting.pop()
            value, behind = unpacked(size, body)
            key = Body.read(behind).key
            if (at, key) < self._below:
                yield at, key, value


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
    page, span, highest = _Page(below), -1, math.inf
    with transaction(connection, "DEFERRED"), ExitStack() as on_leaving:
        criteria = Criteria(connection, *scopes, query)
        first, last = first_possible(connection, _since(query)), last_possible(connection, below[0])
        times = _since(query), below[0]
        walk = _walk(connection, criteria.maybe, (first, last), times)
        on_leaving.callback(walk.close)
        for looked_at, row in enumerate(walk):
            if span != span_of_number(row[1]):
                span = span_of_number(row[1])
                newest, late = newest_and_lateness(connection, span)
            highest = min(highest, newest, row[0] + late)  # of this one and all that follow
            page.show_above(highest, limit + 1)
            if len(page.items) > limit:
                return page.found(limit, None)
            rest = (math.nextafter(highest, math.inf), b"")
            if looked_at >= _MOST_LOOKED_AT and rest < below:
                return page.found(limit, rest)
            if _holds(criteria, row):
                page.add(row)
        page.show_above(-math.inf, limit + 1)
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
        since, until = _since(query), _until(query)
        first, last = first_possible(connection, since), last_possible(connection, until)
        inner_first, inner_last = first_sure(connection, since), last_sure(connection, until)
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
        inner = (criteria.sure, inner_first, inner_last)
        counted = connection.execute(_COUNT, inner).fetchone()[0]
    return counted, [each for each in rest if each.first <= each.last]


def count_rest(
    connection: sqlite3.Connection, scopes: tuple[int, int], query: Query, rest: Rest
) -> tuple[int, Rest | None]:
    """Look at some documents of a rest: how many match, and what is left to be looked at."""
    counted = 0
    until = _until(query)
    with transaction(connection, "DEFERRED"), ExitStack() as on_leaving:
        criteria = Criteria(connection, *scopes, query)
        numbers, times = (rest.first, rest.last), (_since(query), until)
        walk = _walk(connection, rest.expression, numbers, times)
        on_leaving.callback(walk.close)
        for looked_at, row in enumerate(walk):
            if looked_at == _MOST_LOOKED_AT:
                return counted, Rest(rest.expression, rest.first, row[1])
            counted += row[0] < until and _holds(criteria, row)
    return counted, None


def _walk(
    connection: sqlite3.Connection,
    expression: str | None,
    numbers: tuple[int, int],
    times: tuple[float, float],
) -> Generator[_Row, None, None]:
    """Yield documents by number, from high to low."""
    if expression is not None:
        with closing(connection.execute(_WALK, (expression, *numbers, *times))) as found:
            for number, at, size, body, marks in found:
                yield at, number, size, body, marks


def _holds(criteria: Criteria, row: _Row) -> bool:
    if not criteria.looks:
        return True
    _, _, size, body, marks = row
    return criteria.hold(Body.read(unpacked(size, body)[1]), Marks.read(marks))


def _since(query: Query) -> float:
    return -math.inf if query.since is None else query.since


def _until(query: Query) -> float:
    return math.inf if query.until is None else query.until
