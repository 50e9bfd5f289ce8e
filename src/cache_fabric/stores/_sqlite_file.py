"""One SQLite file: opened, checked and migrated, and its errors said in our words.

Everything here blocks; it runs on the worker thread of `stores.sqlite`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
)
from cache_fabric.stores._sqlite_document_tables import DOCUMENT_TABLES
from cache_fabric.stores.base import Durability

__all__ = ["BACKEND", "open_file", "transaction", "translated"]

BACKEND = "sqlite"
_APPLICATION_ID = 0x43464142
"""``CFAB``: marks the file as ours, so that another program's database is never migrated."""

_READER_PATIENCE = 0.05
"""Seconds a read may wait. In WAL mode it waits for nobody but a recovery after a crash."""

_WAL_BYTES_KEPT = 64 * 1024 * 1024
_CACHE_KIB = 16 * 1024
"""Of pages, for the one connection that searches and merges; the default of 2 MiB is for phones."""

_PAGE_BYTES = 8192
"""Of new files. An execution is a row of some 700 bytes: of the 4,096 of SQLite's own choice a
tenth would stay empty."""

_SYNCHRONOUS: Mapping[Durability, str] = {"process": "NORMAL", "disk": "FULL"}
_FULL_TEXT = "fts5"

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE cache (
            namespace BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires REAL,
            PRIMARY KEY (namespace, key)
        )
        """,
        "CREATE INDEX cache_expires ON cache (expires) WHERE expires IS NOT NULL",
        """
        CREATE TABLE records (
            namespace BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
            revision INTEGER NOT NULL,
            PRIMARY KEY (namespace, key)
        )
        """,
        """
        CREATE TABLE changes (
            namespace BLOB NOT NULL, revision INTEGER NOT NULL, at REAL NOT NULL,
            note BLOB NOT NULL,
            PRIMARY KEY (namespace, revision)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE heads (
            namespace BLOB PRIMARY KEY, head INTEGER NOT NULL, floor INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    DOCUMENT_TABLES,
)
"""Statements that lead from version n (``PRAGMA user_version``) to n + 1."""


def open_file(
    path: Path, busy_timeout: float, durability: Durability = "process"
) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A connection that writes and one that only reads, to a file of the current version.

    Makes the file and its folder where they are missing. A file that is not ours is not changed.

    Raises:
        ConfigurationError: The path is a folder, its folder cannot be made, the file belongs to
            another program or to a newer version, its file system has no shared memory, or this
            SQLite was built without FTS5.
        BackendError: Not a database, damaged, locked, not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"path: cannot make the folder of {path}: {error}") from error
    if is_folder:
        raise ConfigurationError(f"path: {path} is a folder; name a file inside it")
    with ExitStack() as on_failure, translated("open", path):
        writer = _connect(path, busy_timeout)
        on_failure.callback(writer.close)
        _require_full_text(writer)
        writer.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        with transaction(writer):
            _migrate(writer, path)
        if _in_wal_mode(writer, busy_timeout) != "wal":
            raise ConfigurationError(
                f"path: the file system of {path} cannot share a database between processes "
                "(SQLite's WAL mode); use a local disk"
            )
        writer.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        writer.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
        # Deleted answers may hold personal data: they must not stay readable in free pages.
        writer.execute("PRAGMA secure_delete = ON")
        writer.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        reader = _connect(path, _READER_PATIENCE)
        on_failure.callback(reader.close)
        on_failure.pop_all()
    return writer, reader


def _require_full_text(connection: sqlite3.Connection) -> None:
    modules = "SELECT 1 FROM pragma_module_list WHERE name = ?"
    if connection.execute(modules, (_FULL_TEXT,)).fetchone() is None:
        raise ConfigurationError(
            f"store: the SQLite of this Python ({sqlite3.sqlite_version}) was built without FTS5, "
            "which searches executions; use a Python whose SQLite has it, or another store"
        )


def _in_wal_mode(writer: sqlite3.Connection, patience: float) -> str:
    """Return the journal mode after asking for WAL, which only one opener of a new file can set.

    SQLite does not wait with its busy handler for this one lock, so the waiting is done here.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return str(writer.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of the block or nothing; ``DEFERRED`` makes several reads see one moment."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # After a full disk SQLite has rolled back by itself, and a second time is an error.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def translated(operation: str, path: Path) -> Iterator[None]:
    """Turns an error of SQLite into `BackendError` or a child that names file and remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, operation, path) from error


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    # Inside the write transaction: of two processes that find a new file, one makes the tables.
    version = _pragma(connection, "user_version")
    is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if not is_empty and _pragma(connection, "application_id") != _APPLICATION_ID:
        raise ConfigurationError(
            f"path: {path} is a database of another program; name another file"
        )
    if version > len(_MIGRATIONS):
        raise ConfigurationError(
            f"path: {path} was made by a newer version of cache-fabric (file version {version}, "
            f"this one reads up to {len(_MIGRATIONS)}); upgrade cache-fabric or name another file"
        )
    for statements in _MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    if version < len(_MIGRATIONS):
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _translation(error: sqlite3.Error, operation: str, path: Path) -> BackendError:
    # The low byte is the primary code; the rest only says more about the same thing.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        message = f"another process holds {path} ({error}); try again, or look who writes so long"
        return BackendTimeout(BACKEND, operation, message)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        message = f"{path} is damaged or not a database ({error}); move it away, a new one is made"
        return BackendError(BACKEND, operation, message)
    if code in _OUT_OF_REACH:
        message = f"{path} cannot be read or written ({error}); check permissions and free space"
        return BackendUnavailable(BACKEND, operation, message)
    return BackendError(BACKEND, operation, f"{path}: {error}")


_OUT_OF_REACH = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
