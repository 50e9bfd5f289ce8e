"""A store inside this process: nothing survives it and nobody else sees it.

Every method runs to its end without an await, so on one loop each is atomic and needs no lock.
Expired keys are hidden when they are asked for. They are removed by a hand that goes round the
keys, a few with every write (the CLOCK idea of page replacement), so what has expired cannot pile
up and no single write pays for all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.stores._memory_documents import MemoryDocuments
from cache_fabric.stores.base import (
    Change,
    Changes,
    CommitConflict,
    Durability,
    Record,
    Write,
)

__all__ = ["MemoryStore"]

_LOOKED_AT_PER_WRITE = 2
"""More than one, so that the hand always catches up with what is being added."""


class MemoryStore:
    """Bytes by key in the memory of this process; each object is a place of its own.

    Args:
        namespace: Only a name here: two objects never share keys, whatever it says.
        clock: Seconds since the epoch.
        log_limit: How many changes the log keeps.

    Raises:
        ConfigurationError: ``log_limit`` is below 1.
    """

    name = "memory"
    shared = False
    durability: Durability = "memory"

    def __init__(
        self,
        namespace: str,
        *,
        clock: Callable[[], float] = time.time,
        log_limit: int = 100_000,
    ) -> None:
        if log_limit < 1:
            raise ConfigurationError(f"log_limit: expected a number above 0, got {log_limit}")
        self.namespace = namespace
        self.log_span = log_limit
        self.documents = MemoryDocuments(self._check_open)
        self._clock = clock
        self._cache: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._records: dict[str, Record] = {}
        self._log: deque[Change] = deque(maxlen=log_limit)
        self._head = 0
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    @classmethod
    def from_url(cls, url: str, namespace: str) -> MemoryStore:
        """A store for ``memory``."""
        return cls(namespace)

    async def open(self) -> None:
        """Nothing to connect; a closed store stays closed."""
        self._check_open("open")

    async def get(self, key: str) -> bytes | None:
        self._check_open("get")
        return self._live(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self._check_open("get_many")
        return [self._live(key) for key in keys]

    async def set_many(self, writes: Sequence[Write]) -> None:
        self._check_open("set_many")
        now = self._clock()
        for write in writes:
            if write.value is None:
                self._cache.pop(write.key, None)
            else:
                expires = math.inf if write.ttl is None else now + write.ttl
                self._cache[write.key] = (write.value, expires)
        self._sweep(now, _LOOKED_AT_PER_WRITE * len(writes))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        self._check_open("add")
        if self._live(key) is not None:
            return False
        now = self._clock()
        self._cache[key] = (value, now + ttl)
        self._sweep(now, _LOOKED_AT_PER_WRITE)
        return True

    async def remove_if(self, key: str, value: bytes) -> bool:
        self._check_open("remove_if")
        if self._live(key) != value:
            return False
        del self._cache[key]
        return True

    async def delete(self, keys: Sequence[str]) -> int:
        self._check_open("delete")
        return self._delete(keys)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        self._check_open("scan")
        for key in [key for key in self._cache if key.startswith(prefix)]:
            value = self._live(key)
            if value is not None:
                yield key, value

    async def clear(self, prefix: str) -> int:
        self._check_open("clear")
        return self._delete([key for key in self._cache if key.startswith(prefix)])

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        self._check_open("read")
        return [self._records.get(key) for key in keys]

    async def records(self, prefix: str) -> list[Record]:
        self._check_open("records")
        return [self._records[key] for key in sorted(self._records) if key.startswith(prefix)]

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        self._check_open("commit")
        for key, expected in (expect or {}).items():
            record = self._records.get(key)
            current = 0 if record is None else record.revision
            if current != expected:
                raise CommitConflict(key, current)
        self._head += 1
        for write in writes:
            if write.value is None:
                self._records.pop(write.key, None)
            else:
                self._records[write.key] = Record(write.key, write.value, self._head)
        self._log.append(Change(self._head, self._clock(), note))
        self._wake_waiters()
        return self._head

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        self._check_open("changes")
        floor = self._head - len(self._log)
        start = max(0, after - floor)
        return Changes(tuple(islice(self._log, start, start + limit)), self._head, floor)

    async def wait(self, after: int, timeout: float) -> bool:
        self._check_open("wait")
        # An event of this call's own: one that outlives it would be bound to the first loop.
        woken = asyncio.Event()
        waiter = (asyncio.get_running_loop(), woken)
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                while self._head <= after:
                    await woken.wait()
                    woken.clear()
                    self._check_open("wait")
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    async def scrub(self) -> Sequence[str]:
        """Nothing to do: what was deleted is no longer held anywhere."""
        self._check_open("scrub")
        return []

    async def aclose(self) -> None:
        self._closed = True
        self.documents.clear()
        self._cache.clear()
        self._records.clear()
        self._log.clear()
        self._wake_waiters()

    def _check_open(self, operation: str) -> None:
        if self._closed:
            raise BackendUnavailable(self.name, operation, "the store is closed; make a new one")

    def _live(self, key: str) -> bytes | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        value, expires = entry
        if expires <= self._clock():
            del self._cache[key]
            return None
        return value

    def _delete(self, keys: Sequence[str]) -> int:
        live = 0
        for key in keys:
            live += self._live(key) is not None
            self._cache.pop(key, None)
        return live

    def _sweep(self, now: float, count: int) -> None:
        for _ in range(min(count, len(self._cache))):
            key = next(iter(self._cache))
            if self._cache[key][1] <= now:
                del self._cache[key]
            else:
                self._cache.move_to_end(key)

    def _wake_waiters(self) -> None:
        for loop, woken in list(self._waiters):
            # Two fabrics that share the store may wait on two loops.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(woken.set)
