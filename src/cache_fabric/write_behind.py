"""Answers are written after the caller has gone: a bounded queue, drained in batches.

The store is written first and the index second, so that an index entry never points at nothing.
What waits here can be read, so a store is visible at once. Above the bound a write is dropped and
counted, never waited for. Lives on the home loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cache_fabric.background import in_background
from cache_fabric.types import CacheEntry

__all__ = ["PendingWrite", "WriteBehind", "pending"]

_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class PendingWrite:
    """One envelope on its way to the store, with what the index needs of it.

    Attributes:
        cost: Micro-dollars that the model call cost, ``None`` if not priced.
        question: Text to embed, ``None`` when the entry is not to be found by meaning.
        vector: The question's unit vector when the lookup has embedded it already.
        lease: Token of the lease to give up when the write has landed or is lost.
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
    """

    def __init__(
        self,
        write: Callable[[Sequence[PendingWrite]], Awaitable[None]],
        dropped: Callable[[PendingWrite, str], None],
        *,
        max_entries: int,
        max_bytes: int,
    ) -> None:
        self._write = write
        self._dropped = dropped
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._waiting: dict[str, PendingWrite] = {}
        self._writing: dict[str, PendingWrite] = {}
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def put(self, item: PendingWrite) -> None:
        """Queue a write; a later one of the same key replaces it."""
        replaced = self._waiting.pop(item.key, None)
        if replaced is not None:
            self._bytes -= len(replaced.data)
        if len(self._waiting) >= self._max_entries or (
            self._bytes + len(item.data) > self._max_bytes
        ):
            self._dropped(item, "queue full")
            return
        self._waiting[item.key] = item
        self._bytes += len(item.data)
        if self._task is None or self._task.done():
            self._task = in_background(self._drain())

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
        """Forget waiting writes of these keys, or all of them; returns what they were."""
        asked = list(self._waiting) if keys is None else keys
        found = [self._waiting.pop(key, None) for key in asked]
        gone = [item for item in found if item is not None]
        self._bytes -= sum(len(item.data) for item in gone)
        return gone

    def discard_prefix(self, prefix: str) -> None:
        """Forget waiting writes of the keys that start so."""
        self.discard([key for key in self._waiting if key.startswith(prefix)])

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    async def _drain(self) -> None:
        while self._waiting:
            batch = list(self._waiting.values())[:_BATCH]
            self._writing = {item.key: item for item in batch}
            self.discard(self._writing)
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - the write-behind seam: a fault is a drop
                for item in batch:
                    self._dropped(item, type(error).__name__)
            finally:
                self._writing = {}
