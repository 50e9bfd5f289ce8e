"""A durable store in one SQLite file, shared by every process of the machine that opens it.

Where things run. A read by key is one look-up in an index: it was measured at 14 us, while a way
to a thread and back costs 60 us, so reads by key run right on the home loop. In WAL mode they wait
for no writer. Writes may wait for another process's lock and for the disk, and scans and searches
may be long, so both run on one worker thread with a connection of its own: the loop never waits on
a disk sync, and since SQLite takes one writer at a time, more threads would only queue inside
SQLite instead of here.

How long it lasts. With WAL and ``synchronous=NORMAL`` an acknowledged write survives the death of
any process (kill -9). After a power cut the newest writes may be missing, but the file is whole:
every commit is there completely or not at all. With ``durability="disk"`` every commit is synced
(``synchronous=FULL``) and survives that as well.

A commit of another process is noticed by asking for the head of the log every 20 ms (about 10 us
each): SQLite has no notification between processes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import parse_qsl

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.stores._sqlite_documents import SqliteDocuments
from cache_fabric.stores._sqlite_file import BACKEND, open_file, translated
from cache_fabric.stores._sqlite_rows import Rows
from cache_fabric.stores._sqlite_scrub import scrub
from cache_fabric.stores.base import Changes, Durability, Record, Write

__all__ = ["SqliteStore"]

T = TypeVar("T")

_POLL_SECONDS = 0.02
_MOST_KEYS_ON_THE_LOOP = 64
"""About one millisecond of reading; more keys than that go to the worker."""


class SqliteStore:
    """Bytes by key in a file; several stores and processes may use one file at once.

    Args:
        path: The file; it and its folder are made by `open` where they are missing.
        namespace: Stores of one file and namespace see the same keys, others never do.
        clock: Seconds since the epoch; called on the loop and on the worker thread.
        log_limit: How many changes the log keeps.
        busy_timeout: Seconds a write waits for the lock of another process.
        durability: What an acknowledged write survives, ``"process"`` or ``"disk"``.

    Raises:
        ConfigurationError: ``path`` is ``":memory:"``, ``log_limit`` is below 1, or the
            durability is not one of a file.
    """

    name = BACKEND
    shared = True

    def __init__(
        self,
        path: str | Path,
        namespace: str,
        *,
        clock: Callable[[], float] = time.time,
        log_limit: int = 100_000,
        busy_timeout: float = 5.0,
        durability: Durability = "process",
    ) -> None:
        if str(path) == ":memory:":
            raise ConfigurationError("path: ':memory:' names no file; use the memory store")
        if log_limit < 1:
            raise ConfigurationError(f"log_limit: expected a number above 0, got {log_limit}")
        if durability not in {"process", "disk"}:
            raise ConfigurationError(
                f"durability: expected 'process' or 'disk' for a file, got {durability!r}"
            )
        self.path = Path(path)
        self.namespace = namespace
        self.log_span = log_limit
        self.durability = durability
        self.documents = SqliteDocuments(namespace, self._by_key, self._on_worker)
        self._rows = Rows.of(namespace, clock, log_limit)
        self._busy_timeout = busy_timeout
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._process = os.getpid()
        # Starts its thread with the first job, not here.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="cache-fabric-sqlite")
        self._waiters: set[asyncio.Event] = set()
        self._closed = False

    @classmethod
    def from_url(cls, url: str, namespace: str) -> SqliteStore:
        """A store for ``sqlite://relative/file.db`` or ``sqlite:///absolute/file.db``.

        ``?durability=disk`` behind it is as the argument; another option is a
        `ConfigurationError`.
        """
        path, _, options = url.partition("://")[2].partition("?")
        named = dict(parse_qsl(options, keep_blank_values=True))
        durability = cast(Durability, named.pop("durability", "process"))
        if named:
            raise ConfigurationError(
                f"store: unknown {', '.join(sorted(named))} in the URL of a file, expected "
                "durability=process or durability=disk"
            )
        return cls(path, namespace, durability=durability)

    async def open(self) -> None:
        """Make or check the file, and migrate it to the current version.

        Raises:
            ConfigurationError: The path is a folder or below a file, or the file belongs to
                another program or a newer version of this one. The file is left as it is.
            BackendError: The file is no database or damaged (left as it is), locked or not
                writable.
        """
        self._check_usable("open")
        await asyncio.get_running_loop().run_in_executor(self._worker, self._connect)

    async def get(self, key: str) -> bytes | None:
        return self._on_loop("get", lambda file: self._rows.get(file, key))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._by_key("get_many", keys, lambda file: self._rows.get_many(file, keys))

    async def set_many(self, writes: Sequence[Write]) -> None:
        await self._on_worker("set_many", lambda file: self._rows.set_many(file, writes))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._on_worker("add", lambda file: self._rows.add(file, key, value, ttl))

    async def remove_if(self, key: str, value: bytes) -> bool:
        return await self._on_worker(
            "remove_if", lambda file: self._rows.remove_if(file, key, value)
        )

    async def delete(self, keys: Sequence[str]) -> int:
        return await self._on_worker("delete", lambda file: self._rows.delete(file, keys))

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        # Page by page: one long read would keep SQLite from ever shortening its log.
        last: str | None = None
        while page := await self._scan_page(prefix, last):
            for key, value in page:
                yield key, value
            last = page[-1][0]

    async def clear(self, prefix: str) -> int:
        # Page by page: other writers, here and in other processes, get their turn in between.
        cleared = 0
        while page := await self._on_worker(
            "clear", lambda file: self._rows.clear_page(file, prefix)
        ):
            cleared += sum(page)
        return cleared

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        return await self._by_key("read", keys, lambda file: self._rows.read(file, keys))

    async def records(self, prefix: str) -> list[Record]:
        return await self._on_worker("records", lambda file: self._rows.records(file, prefix))

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        revision = await self._on_worker(
            "commit", lambda file: self._rows.commit(file, writes, note, expect or {})
        )
        for waiter in self._waiters:
            waiter.set()
        return revision

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        return await self._on_worker("changes", lambda file: self._rows.changes(file, after, limit))

    async def wait(self, after: int, timeout: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        # An event of this call's own: one that outlives it would be bound to the first loop.
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            while self._on_loop("wait", self._rows.head) <= after:
                pause = min(_POLL_SECONDS, deadline - loop.time())
                if pause <= 0:
                    return False
                woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await woken.wait()
        finally:
            self._waiters.discard(woken)
        return True

    async def scrub(self) -> Sequence[str]:
        return await scrub(self._on_worker)

    async def aclose(self) -> None:
        """Close the file once the writes before this call are done."""
        if self._closed:
            return
        self._closed = True
        if self._process != os.getpid():
            return
        closing = asyncio.get_running_loop().run_in_executor(self._worker, self._disconnect)
        self._worker.shutdown(wait=False)
        # A caller that is cancelled here must not take the closing out of the queue.
        await asyncio.shield(closing)

    def _on_loop(self, operation: str, job: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._usable(operation, self._reader)
        with translated(operation, self.path):
            return job(connection)

    async def _on_worker(self, operation: str, job: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._usable(operation, self._writer)

        def run() -> T:
            with translated(operation, self.path):
                return job(connection)

        return await asyncio.get_running_loop().run_in_executor(self._worker, run)

    async def _by_key(
        self, operation: str, keys: Sequence[str], job: Callable[[sqlite3.Connection], T]
    ) -> T:
        if len(keys) <= _MOST_KEYS_ON_THE_LOOP:
            return self._on_loop(operation, job)
        return await self._on_worker(operation, job)

    async def _scan_page(self, prefix: str, last: str | None) -> list[tuple[str, bytes]]:
        return await self._on_worker("scan", lambda file: self._rows.page(file, prefix, last))

    def _connect(self) -> None:
        if self._writer is None:
            opened = open_file(self.path, self._busy_timeout, self.durability)
            self._writer, self._reader = opened

    def _disconnect(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()

    def _usable(self, operation: str, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        self._check_usable(operation)
        if connection is None:
            raise BackendUnavailable(self.name, operation, "the store is not open; call open()")
        return connection

    def _check_usable(self, operation: str) -> None:
        if self._closed:
            raise BackendUnavailable(self.name, operation, "the store is closed; make a new one")
        if self._process != os.getpid():
            # SQLite forbids carrying a connection over a fork, and the worker did not come along.
            raise BackendUnavailable(
                self.name, operation, "the store was made before a fork; make a new one"
            )
