"""The free pages of another program's SQLite file, in which deleted rows can still be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["vacuum"]

_PATIENCE = 10.0  # seconds to wait for a lock


def vacuum(file: Path) -> None:
    """Write the file anew with nothing but its rows in it; blocks.

    Nobody else in this process may use the file meanwhile by another copy of the SQLite library:
    the locks of a process do not hold against itself.
    """
    with closing(sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("VACUUM")
