"""The numbers of documents, ascending with their times from minute to minute.

Within a minute they ascend as the documents arrive. ``late`` says of a minute how much older than
the newest before it a document arrived at most: whoever walks down from one of time ``at`` can
still meet documents up to ``at + late``, and none above.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from cache_fabric.errors import BackendError

__all__ = [
    "Numbers",
    "drop_empty",
    "first_number",
    "last_number",
    "lateness",
    "minute_of_number",
]

_SECONDS = 64.0
_BITS = 21
_MOST = 1 << _BITS
"""Documents of one minute: 32,000 a second, more than one file takes."""

_LAST_MINUTE = (1 << (62 - _BITS)) - 1

_MINUTE = "SELECT used, newest, late FROM minutes WHERE minute = ?"
_MINUTE_PUT = """
    INSERT INTO minutes (minute, used, newest, late) VALUES (?, ?, ?, ?)
    ON CONFLICT (minute) DO UPDATE
    SET used = excluded.used, newest = excluded.newest, late = excluded.late
"""
_MINUTE_DROP = """
    DELETE FROM minutes
    WHERE minute = ? AND NOT EXISTS (SELECT 1 FROM documents WHERE id BETWEEN ? AND ?)
"""


def first_number(at: float) -> int:
    """Return the least number that a document of this time can have."""
    return _minute(at) << _BITS


def last_number(at: float) -> int:
    """Return the highest number that a document of this time can have."""
    return first_number(at) | (_MOST - 1)


def minute_of_number(number: int) -> int:
    """Return the minute that a document of this number is in."""
    return number >> _BITS


def drop_empty(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Forget the minutes of these numbers that have no document any more."""
    for minute in {minute_of_number(number) for number in numbers}:
        first = minute << _BITS
        connection.execute(_MINUTE_DROP, (minute, first, first | (_MOST - 1)))


def lateness(connection: sqlite3.Connection, minute: int) -> float:
    """Return the seconds by which documents of a minute arrived too late at most."""
    if minute in (0, _LAST_MINUTE):
        return math.inf  # times so far apart that their differences are not exact
    row = connection.execute(_MINUTE, (minute,)).fetchone()
    return 0.0 if row is None else float(row[2])


@dataclass(slots=True)
class _Minute:
    used: int
    newest: float
    late: float


class Numbers:
    """Gives numbers within one write transaction; `save` is its last step."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._minutes: dict[int, _Minute] = {}

    def next(self, at: float) -> int:
        """Return the number of a new document.

        Raises:
            BackendError: Its minute is full.
        """
        number = _minute(at)
        minute = self._minutes.get(number)
        if minute is None:
            row = self._connection.execute(_MINUTE, (number,)).fetchone()
            minute = self._minutes[number] = _Minute(*row) if row else _Minute(0, at, 0.0)
        if minute.used == _MOST:
            raise BackendError("sqlite", "put", f"more than {_MOST} documents of one minute")
        minute.used += 1
        minute.late = max(minute.late, minute.newest - at)
        minute.newest = max(minute.newest, at)
        return number << _BITS | (minute.used - 1)

    def save(self) -> None:
        """Write what was given."""
        rows = [(number, m.used, m.newest, m.late) for number, m in self._minutes.items()]
        self._connection.executemany(_MINUTE_PUT, rows)


def _minute(at: float) -> int:
    # Times before 1970 and after the year 4,000,000 share the first and the last.
    return int(min(max(at, 0.0), _SECONDS * _LAST_MINUTE) // _SECONDS)
