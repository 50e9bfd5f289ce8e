"""Making the bytes of what was deleted unreadable, in a file and its write-ahead log.

SQLite's ``secure_delete`` overwrites a deleted row where it is, but not the copies of it that stay
in the gaps of pages when a full page is divided, and a full-text index keeps deleted words until
its segments are merged. So the segments are merged into one, the whole file is written anew, and
the log is cut to nothing.
"""

from __future__ import annotations

import sqlite3

__all__ = ["merge_some", "scrub_file"]

_PAGES_AT_A_TIME = 500
_MERGE = "INSERT INTO {0} ({0}, rank) VALUES ('merge', ?)"
_IN_THE_WAY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})


def merge_some(index: str, is_first: bool, connection: sqlite3.Connection) -> bool:
    """Merge some pages of a full-text index; returns whether there may be more to do."""
    # Below 0 means: all segments, also those that would not be merged yet.
    pages = -_PAGES_AT_A_TIME if is_first else _PAGES_AT_A_TIME
    before = connection.total_changes
    connection.execute(_MERGE.format(index), (pages,))
    return connection.total_changes - before >= 2  # as the documentation of FTS5 says


def scrub_file(connection: sqlite3.Connection) -> list[str]:
    """Write the file anew and cut its log; returns what remains, one sentence each."""
    remains = []
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _IN_THE_WAY:
            raise
        remains.append(
            f"The file could not be rewritten ({error}): remnants of what was deleted may stay in "
            "its pages until the next scrub that can."
        )
    is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        remains.append(
            "Another process is reading the file: its write-ahead log keeps what was deleted "
            "until that process is done and the next scrub, or the last process closes the file."
        )
    return remains
