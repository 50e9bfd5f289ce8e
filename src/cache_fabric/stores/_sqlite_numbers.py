"""The numbers of documents: they ascend with time from span to span, about eight minutes each.

Within a span they ascend as documents arrive, mostly the order of their times as well. ``late``
says by how much not: how much older than the newest before it a document arrived at most. So the
number from which on all are newer than some time is found by halving, and whoever walks down from
a document of time ``at`` can still meet some up to ``at + late``, and none above.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cache_fabric.errors import BackendError

__all__ = [
    "Numbers",
    "drop_empty",
    "first_possible",
    "first_sure",
    "last_possible",
    "last_sure",
    "newest_and_lateness",
    "span_of_number",
]

_SECONDS = 512.0
_BITS = 24
_MOST = 1 << _BITS
"""Documents of one span: 32,000 a second, more than one file takes."""

_LAST_SPAN = (1 << (62 - _BITS)) - 1

_SPAN = "SELECT used, newest, late FROM spans WHERE span = ?"
_SPAN_PUT = """
    INSERT INTO spans (span, used, newest, late) VALUES (?, ?, ?, ?)
    ON CONFLICT (span) DO UPDATE
    SET used = excluded.used, newest = excluded.newest, late = excluded.late
"""
_SPAN_DROP = """
    DELETE FROM spans
    WHERE span = ? AND NOT EXISTS (SELECT 1 FROM documents WHERE id BETWEEN ? AND ?)
"""
_FIRST_WITHIN = "SELECT id, at FROM documents WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"


@dataclass(slots=True)
class _Span:
    used: int
    newest: float
    late: float


class Numbers:
    """Gives numbers within one write transaction; `save` is its last step."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._spans: dict[int, _Span] = {}

    def next(self, at: float) -> int:
        """Return the number of a new document.

        Raises:
            BackendError: Its span is full.
        """
        place = _span(at)
        if place not in self._spans:
            self._spans[place] = _read(self._connection, place) or _Span(0, at, 0.0)
        span = self._spans[place]
        if span.used == _MOST:
            raise BackendError("sqlite", "put", f"more than {_MOST} documents within 512 seconds")
        span.used += 1
        span.late = max(span.late, span.newest - at)
        span.newest = max(span.newest, at)
        return place << _BITS | (span.used - 1)

    def save(self) -> None:
        """Write what was given."""
        rows = [(place, s.used, s.newest, s.late) for place, s in self._spans.items()]
        self._connection.executemany(_SPAN_PUT, rows)


def drop_empty(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Forget the spans of these numbers that have no document any more."""
    for place in {span_of_number(number) for number in numbers}:
        first = place << _BITS
        connection.execute(_SPAN_DROP, (place, first, first + _MOST - 1))


def span_of_number(number: int) -> int:
    """Return the span that a document of this number is in."""
    return number >> _BITS


def newest_and_lateness(connection: sqlite3.Connection, place: int) -> tuple[float, float]:
    """Return a span's newest time, and the seconds that its documents arrived late at most."""
    span = _read(connection, place) or _Span(0, math.inf, 0.0)
    # The first and the last hold times so far apart that their differences are not exact.
    return span.newest, math.inf if place in (0, _LAST_SPAN) else span.late


def first_possible(connection: sqlite3.Connection, since: float) -> int:
    """Return a number below which no document is of this time or later."""
    return _halved(connection, since, lambda at, late: at + late < since)


def first_sure(connection: sqlite3.Connection, since: float) -> int:
    """Return a number from which on all documents are of this time or later."""
    return _halved(connection, since, lambda at, late: at - late < since)


def last_possible(connection: sqlite3.Connection, until: float) -> int:
    """Return a number above which no document is of this time or earlier."""
    return _halved(connection, until, lambda at, late: at <= until + late) - 1


def last_sure(connection: sqlite3.Connection, until: float) -> int:
    """Return a number up to which all documents are earlier than this time."""
    return _halved(connection, until, lambda at, late: at + late < until) - 1


def _halved(
    connection: sqlite3.Connection, at: float, is_below: Callable[[float, float], bool]
) -> int:
    """Return a number within the span of a time: what was looked at below it is, above is not."""
    place = _span(at)
    span, (_, late) = _read(connection, place), newest_and_lateness(connection, place)
    low = place << _BITS
    high = low + (0 if span is None else span.used)
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(_FIRST_WITHIN, (middle, high)).fetchone()
        if found is not None and is_below(found[1], late):
            low = found[0] + 1
        else:
            high = middle
    return low


def _read(connection: sqlite3.Connection, place: int) -> _Span | None:
    row = connection.execute(_SPAN, (place,)).fetchone()
    return None if row is None else _Span(*row)


def _span(at: float) -> int:
    # Times before 1970 and after the year 4,000,000 share the first and the last.
    return int(min(max(at, 0.0), _SECONDS * _LAST_SPAN) // _SECONDS)
