"""What a store's methods mean in SQL, on a connection that the caller picks.

Keys are kept as bytes: UTF-8 with ``surrogatepass`` takes every Python text and gives the same
text back, keeps the order of code points, and cannot stop at a NUL. No byte of it is 255, so the
keys that start with a prefix are exactly those from ``prefix`` to ``prefix + b"\\xff"``: a range of
the index, in which no character has a meaning of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cache_fabric.stores._sqlite_file import transaction
from cache_fabric.stores.base import Change, Changes, CommitConflict, Record, Write

__all__ = ["Rows"]

_SCAN_PAGE = 256
_CLEAR_PAGE = 1000
_SWEPT_PER_WRITE = 64
_SWEPT_PER_ADD = 2

_GET = """
    SELECT value FROM cache WHERE namespace = ? AND key = ? AND (expires IS NULL OR expires > ?)
"""
_PAGE = """
    SELECT key, value FROM cache
    WHERE namespace = ? AND key >= ? AND key < ? AND (expires IS NULL OR expires > ?)
    ORDER BY key LIMIT ?
"""
_PUT = """
    INSERT INTO cache (namespace, key, value, expires) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
_ADD = """
    INSERT INTO cache (namespace, key, value, expires) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires
    WHERE cache.expires <= ?
"""
_REMOVE_IF = """
    DELETE FROM cache
    WHERE namespace = ? AND key = ? AND value = ? AND (expires IS NULL OR expires > ?)
"""
_DROP = "DELETE FROM cache WHERE namespace = ? AND key = ?"
_DROP_LIVE = """
    DELETE FROM cache WHERE namespace = ? AND key = ? AND (expires IS NULL OR expires > ?)
"""
_CLEARED = """
    SELECT rowid, expires IS NULL OR expires > ? FROM cache
    WHERE namespace = ? AND key >= ? AND key < ? LIMIT ?
"""
_DROP_ROW = "DELETE FROM cache WHERE rowid = ?"
_SWEEP = """
    DELETE FROM cache
    WHERE rowid IN (SELECT rowid FROM cache WHERE expires <= ? LIMIT ?)
"""
_RECORD = "SELECT value, revision FROM records WHERE namespace = ? AND key = ?"
_RECORDS = """
    SELECT key, value, revision FROM records
    WHERE namespace = ? AND key >= ? AND key < ? ORDER BY key
"""
_RECORD_PUT = """
    INSERT INTO records (namespace, key, value, revision) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, revision = excluded.revision
"""
_RECORD_DROP = "DELETE FROM records WHERE namespace = ? AND key = ?"
_LOG = """
    SELECT revision, at, note FROM changes
    WHERE namespace = ? AND revision > ? ORDER BY revision LIMIT ?
"""
_LOG_ADD = "INSERT INTO changes (namespace, revision, at, note) VALUES (?, ?, ?, ?)"
_LOG_TRIM = "DELETE FROM changes WHERE namespace = ? AND revision <= ?"
_BOUNDS = "SELECT head, floor FROM heads WHERE namespace = ?"
_BOUNDS_PUT = """
    INSERT INTO heads (namespace, head, floor) VALUES (?, ?, ?)
    ON CONFLICT (namespace) DO UPDATE SET head = excluded.head, floor = excluded.floor
"""


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one namespace."""

    namespace: bytes
    clock: Callable[[], float]
    log_limit: int

    @classmethod
    def of(cls, namespace: str, clock: Callable[[], float], log_limit: int) -> Rows:
        return cls(_encoded(namespace), clock, log_limit)

    def get(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        row = connection.execute(_GET, (self.namespace, _encoded(key), self.clock())).fetchone()
        return None if row is None else row[0]

    def get_many(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(connection, key) for key in keys]

    def set_many(self, connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
        last = {write.key: write for write in writes}.values()
        now = self.clock()
        puts = [
            (
                self.namespace,
                _encoded(write.key),
                write.value,
                None if write.ttl is None else now + write.ttl,
            )
            for write in last
            if write.value is not None
        ]
        drops = [(self.namespace, _encoded(write.key)) for write in last if write.value is None]
        with transaction(connection):
            connection.executemany(_PUT, puts)
            connection.executemany(_DROP, drops)
            # More than were added, so that what has expired cannot pile up. Of every namespace:
            # the fabric that wrote it may never come back.
            connection.execute(_SWEEP, (now, len(puts) + _SWEPT_PER_WRITE))

    def add(self, connection: sqlite3.Connection, key: str, value: bytes, ttl: float) -> bool:
        now = self.clock()
        row = (self.namespace, _encoded(key), value, now + ttl, now)
        with transaction(connection):
            added = connection.execute(_ADD, row).rowcount
            connection.execute(_SWEEP, (now, _SWEPT_PER_ADD))
        return added == 1

    def remove_if(self, connection: sqlite3.Connection, key: str, value: bytes) -> bool:
        row = (self.namespace, _encoded(key), value, self.clock())
        return connection.execute(_REMOVE_IF, row).rowcount == 1

    def delete(self, connection: sqlite3.Connection, keys: Sequence[str]) -> int:
        now = self.clock()
        rows = [(self.namespace, _encoded(key), now) for key in keys]
        with transaction(connection):
            return connection.executemany(_DROP_LIVE, rows).rowcount

    def page(
        self, connection: sqlite3.Connection, prefix: str, after: str | None
    ) -> list[tuple[str, bytes]]:
        """The next live keys of a scan; an empty list ends it."""
        # A NUL byte is the least that can follow, so this starts right behind the last key.
        start = _encoded(prefix) if after is None else _encoded(after) + b"\x00"
        end = _encoded(prefix) + b"\xff"
        found = connection.execute(_PAGE, (self.namespace, start, end, self.clock(), _SCAN_PAGE))
        return [(_decoded(key), value) for key, value in found]

    def clear_page(self, connection: sqlite3.Connection, prefix: str) -> list[bool]:
        """Delete some keys: for each, whether it was live; an empty list ends the clearing."""
        selection = (self.clock(), *self._within(prefix), _CLEAR_PAGE)
        with transaction(connection):
            found = connection.execute(_CLEARED, selection).fetchall()
            connection.executemany(_DROP_ROW, [(row,) for row, _ in found])
        return [bool(live) for _, live in found]

    def read(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[Record | None]:
        with transaction(connection, "DEFERRED"):
            return [self._record(connection, key) for key in keys]

    def records(self, connection: sqlite3.Connection, prefix: str) -> list[Record]:
        found = connection.execute(_RECORDS, self._within(prefix))
        return [Record(_decoded(key), value, revision) for key, value, revision in found]

    def commit(
        self,
        connection: sqlite3.Connection,
        writes: Sequence[Write],
        note: bytes,
        expect: Mapping[str, int],
    ) -> int:
        with transaction(connection):
            for key, expected in expect.items():
                record = self._record(connection, key)
                current = 0 if record is None else record.revision
                if current != expected:
                    raise CommitConflict(key, current)
            head, floor = self._bounds(connection)
            revision = head + 1
            for write in writes:
                key_of_row = (self.namespace, _encoded(write.key))
                if write.value is None:
                    connection.execute(_RECORD_DROP, key_of_row)
                else:
                    connection.execute(_RECORD_PUT, (*key_of_row, write.value, revision))
            self._append(connection, revision, floor, note)
        return revision

    def changes(self, connection: sqlite3.Connection, after: int, limit: int) -> Changes:
        with transaction(connection, "DEFERRED"):
            head, floor = self._bounds(connection)
            found = connection.execute(_LOG, (self.namespace, after, limit))
            return Changes(tuple(Change(*row) for row in found), head, floor)

    def head(self, connection: sqlite3.Connection) -> int:
        """Newest revision of the log, 0 for an empty one."""
        return self._bounds(connection)[0]

    def _append(
        self, connection: sqlite3.Connection, revision: int, floor: int, note: bytes
    ) -> None:
        floor = max(floor, revision - self.log_limit)
        connection.execute(_LOG_ADD, (self.namespace, revision, self.clock(), note))
        connection.execute(_LOG_TRIM, (self.namespace, floor))
        connection.execute(_BOUNDS_PUT, (self.namespace, revision, floor))

    def _bounds(self, connection: sqlite3.Connection) -> tuple[int, int]:
        row = connection.execute(_BOUNDS, (self.namespace,)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def _record(self, connection: sqlite3.Connection, key: str) -> Record | None:
        row = connection.execute(_RECORD, (self.namespace, _encoded(key))).fetchone()
        return None if row is None else Record(key, row[0], row[1])

    def _within(self, prefix: str) -> tuple[bytes, bytes, bytes]:
        start = _encoded(prefix)
        return self.namespace, start, start + b"\xff"
