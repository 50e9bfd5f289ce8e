"""Answers are written after the caller has gone: a bounded queue, drained in batches.

The store is written first and the index second, so that an index entry never points at nothing.
What waits here can be read, so a store is visible at once. Above the bound a write is dropped and
counted, never waited for. A patient queue keeps what found the store away, and tries it again with
growing pauses, the oldest first; all of it can still be read, replaced and taken back. Lives on the
home loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from cache_fabric.background import in_background
from cache_fabric.backoff import pause
from cache_fabric.part import is_away
from cache_fabric.types import CacheEntry

__all__ = ["PendingWrite", "WriteBehind", "pending"]

_BATCH = 256
_LONGEST_PAUSE = 1.0  # seconds; a broken store is asked once a second as well


@dataclass(frozen=True, slots=True, eq=False)
class PendingWrite:
    """One envelope on its way to the store, with what the index needs of it.

    Attributes:
        cost: Micro-dollars that the model call cost, ``None`` if not priced.
        question: Text to embed, ``None`` when the entry is not to be found by meaning.
        vector: The question's unit vector when the lookup has embedded it already.
        lease: Token of the lease to give up when the write has landed, is late or lost.
        since: Monotonic seconds when it was handed in.
    """

    key: str
    data: bytes
    ttl: float | None
    model: str
    partition: str
    tenant: str | None = None
    cost: int | None = None
    question: str | None = None
    vector: Any = None
    lease: bytes | None = None
    since: float = field(default_factory=time.monotonic)


def pending(
    entry: CacheEntry,
    data: bytes,
    ttl: float | None,
    question: str | None,
    *,
    vector: Any = None,
    lease: bytes | None = None,
) -> PendingWrite:
    """Return the write of an answer; see `PendingWrite`."""
    return PendingWrite(
        key=entry.exact,
        data=data,
        ttl=ttl,
        model=entry.model,
        partition=entry.partition,
        tenant=entry.tenant,
        cost=entry.cost_micros,
        question=question,
        vector=vector,
        lease=lease,
    )


class WriteBehind:
    """The queue and the one task that empties it.

    Args:
        write: Writes a batch; raises if nothing of it was kept.
        dropped: Is told of every write that was lost, and why.
        max_entries: Most writes waiting.
        max_bytes: Most bytes waiting.
        patient: Whether a batch that found the store away is kept, and tried again.

    Attributes:
        insists: Whether somebody waits for the batch that is being written: then the store is
            asked even if it failed just now.
        is_behind: Whether what is written has waited for a store that was away.
    """

    def __init__(
        self,
        write: Callable[[Sequence[PendingWrite]], Awaitable[None]],
        dropped: Callable[[PendingWrite, str], None],
        *,
        max_entries: int,
        max_bytes: int,
        patient: bool = False,
    ) -> None:
        self.insists = False
        self.is_behind = False
        self._write = write
        self._dropped = dropped
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._waiting: dict[str, PendingWrite] = {}
        self._writing: dict[str, PendingWrite] = {}
        self._unwanted: set[str] = set()  # of those being written: not to be tried again
        self._bytes = 0
        self._patient = patient
        self._failures = 0
        self._flushing = 0
        self._is_asked = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def put(self, item: PendingWrite) -> None:
        """Queue a write; a later one of the same key replaces it."""
        replaced = self._waiting.pop(item.key, None)
        if replaced is not None:
            self._bytes -= len(replaced.data)
            item = _in_place_of(replaced, item)
        if len(self) >= self._max_entries or self._bytes + len(item.data) > self._max_bytes:
            self._dropped(item, "queue full")
            return
        self._waiting[item.key] = item
        self._bytes += len(item.data)
        if self._timer is None:
            self._begin()

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a write that has not landed yet."""
        item = self._waiting.get(key) or self._writing.get(key)
        return item.data if item else None

    def of(self, partition: str) -> list[PendingWrite]:
        """Return the embedded writes of a partition that the index may not hold yet."""
        return [
            item for item in self.items() if item.partition == partition and item.vector is not None
        ]

    def items(self) -> list[PendingWrite]:
        """Return the writes that have not landed yet, the oldest first."""
        return [*self._writing.values(), *self._waiting.values()]

    def discard(self, keys: Iterable[str] | None = None) -> list[PendingWrite]:
        """Forget waiting writes of these keys, or all of them; returns what they were.

        One that is being written is not among them: it lands now or never.
        """
        asked = [*self._writing, *self._waiting] if keys is None else list(keys)
        self._unwanted.update(self._writing.keys() & asked)
        found = [self._waiting.pop(key, None) for key in asked]
        gone = [item for item in found if item is not None]
        self._bytes -= _size(gone)
        return gone

    def discard_prefix(self, prefix: str) -> None:
        """Forget waiting writes of the keys that start so."""
        self.discard([key for key in self._waiting if key.startswith(prefix)])

    def go_on_with(self, admitted: Iterable[PendingWrite]) -> list[PendingWrite]:
        """Forget all but these of the batch that is being written; returns the others."""
        staying = {item.key for item in admitted}
        gone = [item for key, item in self._writing.items() if key not in staying]
        for item in gone:
            del self._writing[item.key]
        self._bytes -= _size(gone)
        return gone

    async def write_now(self) -> bool:
        """Have what is queued tried now, for who reads afterwards.

        Returns whether it has been written or dropped; what found the store away goes on waiting.
        """
        if self._waiting:
            self._is_asked = True
            self._begin()
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        return self._timer is None or not self._waiting

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped: it is tried now."""
        self._flushing += 1
        try:
            await self.write_now()
        finally:
            self._flushing -= 1

    def stop(self) -> None:
        """Try nothing again: drop what waits for a store that is away."""
        self._patient = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            for item in self.discard():
                self._dropped(item, "closed")

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = in_background(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            batch = list(islice(self._waiting.values(), _BATCH))
            self._writing = {item.key: self._waiting.pop(item.key) for item in batch}
            self._unwanted = set()
            self.insists, self._is_asked = self._is_asked, False
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - the write-behind seam: a fault is a drop
                if self._patient and not self._flushing and is_away(error):
                    self._put_back(type(error).__name__)
                    return
                for item in list(self._writing.values()):
                    self._dropped(item, type(error).__name__)
            finally:
                self._bytes -= _size(self._writing.values())
                self._writing = {}
            self._failures = 0
        self.is_behind = False

    def _put_back(self, reason: str) -> None:
        """Keep the batch before all others, and try again after a pause."""
        batch, self._writing = self._writing, {}
        back = {key: item for key, item in batch.items() if self._stays(item)}
        self._bytes -= _size(batch.values()) - _size(back.values())
        self._waiting = back | self._waiting
        self.is_behind = True
        self._failures += 1
        seconds = pause(self._failures, _LONGEST_PAUSE)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)
        for key in self._unwanted & (batch.keys() - self._waiting.keys()):
            self._dropped(batch[key], reason)

    def _stays(self, item: PendingWrite) -> bool:
        newer = self._waiting.get(item.key)
        if newer is not None:
            self._waiting[item.key] = _in_place_of(item, newer)
        return newer is None and item.key not in self._unwanted


def _in_place_of(older: PendingWrite, newer: PendingWrite) -> PendingWrite:
    """Return the newer one with the lease of the older, so that it is given up as well."""
    if older.lease is None or newer.lease is not None:
        return newer
    return replace(newer, lease=older.lease)


def _size(items: Iterable[PendingWrite]) -> int:
    return sum(len(item.data) for item in items)
