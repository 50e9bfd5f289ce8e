"""Making the bytes of what was deleted unreadable, in a file and its write-ahead log.

SQLite's ``secure_delete`` overwrites a deleted row where it is, but not the copies of it that stay
in the gaps of pages when a full page is divided, and a full-text index keeps deleted words until
its segments are merged. So the segments are merged into one, the whole file is written anew, and
the log is cut to nothing.
"""

from __future__ import annotations

import sqlite3
from functools import partial

from cache_fabric.errors import BackendTimeout, BackendUnavailable
from cache_fabric.stores._sqlite_document_tables import BLOB_WORDS, DOCUMENT_TOKENS
from cache_fabric.stores._sqlite_documents import OnWorker

__all__ = ["scrub"]

_PAGES_AT_A_TIME = 500
_MERGE = "INSERT INTO {0} ({0}, rank) VALUES ('merge', ?)"


async def scrub(on_worker: OnWorker) -> list[str]:
    """Scrub a file; returns what remains, one sentence each.

    Others may write between two steps; the last of them writes the file anew, and while it does,
    a second or two for 100 MB, nobody else can.
    """
    remains = []
    try:
        for index in (DOCUMENT_TOKENS, BLOB_WORDS):
            await on_worker("scrub", partial(_merged, index, -_PAGES_AT_A_TIME))
            while await on_worker("scrub", partial(_merged, index, _PAGES_AT_A_TIME)):
                pass
        await on_worker("scrub", _write_anew)
    except (BackendTimeout, BackendUnavailable) as error:
        if not isinstance(error.__cause__, sqlite3.Error):
            raise
        remains.append(
            f"The file could not be written anew ({error.__cause__}): remnants of what was deleted "
            "may stay in its pages until the next scrub that can."
        )
    if await on_worker("scrub", _log_is_read):
        remains.append(
            "Another process is reading the file: its write-ahead log keeps what was deleted "
            "until that process is done and the next scrub, or the last process closes the file."
        )
    return remains


def _merged(index: str, pages: int, connection: sqlite3.Connection) -> bool:
    """Merge so many pages, below 0: of all segments; returns whether there may be more to do."""
    before = connection.total_changes
    connection.execute(_MERGE.format(index), (pages,))
    return connection.total_changes - before >= 2  # as the documentation of FTS5 says


def _write_anew(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")


def _log_is_read(connection: sqlite3.Connection) -> bool:
    """Cut the log; returns whether somebody's reading prevents it."""
    is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(is_busy)
