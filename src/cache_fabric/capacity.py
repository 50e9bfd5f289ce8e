"""Keeps the stored answers within the bounds of a namespace; `eviction` decides who leaves.

One process counts what it writes itself, so the bounds of a store that it has for itself always
hold. What it found at its start, what expired, and what other processes wrote it learns from a scan
of the store in the background: at its first write, then every ``recount_interval`` seconds (give or
take a quarter, so that processes do not scan together) or after having written a quarter of
what is kept. Each process may therefore overshoot by what the others wrote since its last scan,
and by what it wrote during its first; the scan's end puts that right. Each judges by the hits that
it served itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from cache_fabric.background import in_background
from cache_fabric.config import FabricConfig
from cache_fabric.eviction import Bounds, Eviction, Item
from cache_fabric.instrumentation.events import Event, StoreEvent
from cache_fabric.part import Part
from cache_fabric.stores.base import Store
from cache_fabric.types import CacheEntry
from cache_fabric.write_behind import PendingWrite

__all__ = ["Capacity"]

_HITS_REMEMBERED = 4096
_STEP = 32  # decisions between two turns of the loop: about a millisecond
_PAGE = 256
_MICROS_PER_BYTE = 0.1
"""What an answer without a price is taken to have cost: about a small model's $0.60 a million
tokens, of eight stored bytes each. Only its rank among priced answers depends on this."""
_RETRY = 10.0
_log = logging.getLogger("cache_fabric")


class Capacity:
    """The bounds of one namespace; lives on the home loop, but for `used`.

    Args:
        store: Opens the store.
        records: The store that is counted.
        prefix: Of the answers' keys in it.
        read: Returns the live entry of an envelope.
        remove: Deletes answers from store, index and hot tier; fails open.
        emit: Hears of every answer that leaves.
        config: The bounds.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        prefix: str,
        read: Callable[[bytes], CacheEntry | None],
        remove: Callable[[Sequence[str]], Awaitable[None]],
        emit: Callable[[Event], None],
        config: FabricConfig,
    ) -> None:
        self._store = store
        self._records = records
        self._prefix = prefix
        self._read = read
        self._remove = remove
        self._emit = emit
        self._bounds = Bounds(
            max_entries=config.max_entries,
            max_bytes=config.max_bytes,
            tenant_max_entries=config.tenant_max_entries,
            tenant_max_bytes=config.tenant_max_bytes,
        )
        self._bounded = self._bounds != Bounds()
        self._interval = config.recount_interval
        self._policy = Eviction(self._bounds)
        # Bounded and lossy, as Caffeine's read buffer: a hit appends, without a lock or a hop.
        self._hits: deque[str] = deque(maxlen=_HITS_REMEMBERED)
        self._written: set[str] = set()  # since the last count began
        self._written_before: set[str] = set()  # in the time between the two counts before
        self._count_due = 0.0
        self._counting: asyncio.Task[None] | None = None
        self._stopping = False

    def used(self, key: str) -> None:
        """Note a hit, from any thread."""
        if self._bounded:
            self._hits.append(key)

    async def make_room(self, batch: Sequence[PendingWrite]) -> list[PendingWrite]:
        """Delete what has to leave for these answers, and return those that may be written."""
        if not self._bounded:
            return list(batch)
        self.start()
        await self._learn_hits()
        staying: dict[str, PendingWrite] = {}
        leaving: list[Item] = []
        for number, write in enumerate(batch, 1):
            item = _item(write.key, len(write.data), write.cost, write.tenant, write.model)
            verdict = self._policy.admit(item)
            leaving += verdict.evicted
            for gone in verdict.evicted:
                staying.pop(gone.key, None)
            if verdict.admitted:
                staying[write.key] = write
                self._written.add(write.key)
            else:
                self._tell(item, "not admitted: others save more a byte")
            if number % _STEP == 0:
                await asyncio.sleep(0)
        await self._delete(leaving)
        return list(staying.values())

    def failed(self, batch: Iterable[PendingWrite]) -> None:
        """Take back writes that did not land; what was to leave for them is counted anew."""
        self.forget(write.key for write in batch)
        self._count_due = min(self._count_due, time.monotonic() + _RETRY)

    def forget(self, keys: Iterable[str]) -> None:
        """Note that these answers were deleted."""
        self._policy.forget(keys)

    def clear(self) -> None:
        """Note that all answers were deleted."""
        self._policy.clear()

    def count_soon(self) -> None:
        """Count anew at the next write: much was deleted, and nobody can say what."""
        self._count_due = 0.0

    def start(self) -> None:
        """Count the store in the background if it is time to."""
        if not self._bounded or self._stopping:
            return
        idle = self._counting is None or self._counting.done()
        if idle and (time.monotonic() >= self._count_due or self._wrote_much()):
            self._counting = in_background(self._recount_quietly())

    async def recount(self) -> None:
        """Scan the store, take up what is not counted yet, and evict what is too much.

        What expired or was evicted by another process leaves index and hot tier as well.

        Raises:
            BackendError: The store failed; what was counted so far stays counted.
        """
        await self._store.open()
        before = set(self._policy.keys())
        self._written_before, self._written = self._written, set()
        seen: set[str] = set()
        leaving: list[Item] = []
        async for stored, data in self._records.scan(self._prefix):
            if self._stopping:
                return
            key = stored.removeprefix(self._prefix)
            seen.add(key)
            if self._policy.size_of(key) != len(data):
                leaving += self._take_up(key, data)
            if len(seen) % _STEP == 0:
                await self._delete(leaving)
                leaving = []
                await asyncio.sleep(0)
        await self._delete(leaving)
        # A write that was under way may have landed behind the scan.
        vanished = list(before - seen - self._written - self._written_before)
        for start in range(0, len(vanished), _PAGE):
            await self._remove(vanished[start : start + _PAGE])

    async def settled(self) -> None:
        """Wait for a count that goes on in the background."""
        if self._counting is not None:
            await asyncio.wait([self._counting])

    async def stop(self) -> None:
        """End the counting; idempotent."""
        self._stopping = True
        if self._counting is not None:
            await asyncio.wait([self._counting], timeout=1.0)
            self._counting.cancel()

    @property
    def entries(self) -> int:
        """Answers counted."""
        return self._policy.entries

    def _take_up(self, key: str, data: bytes) -> list[Item]:
        entry = self._read(data)
        if entry is None:  # unreadable, but it takes its bytes
            item = _item(key, len(data), None, None, "")
        else:
            item = _item(key, len(data), entry.cost_micros, entry.tenant, entry.model)
        verdict = self._policy.admit(item)
        return list(verdict.evicted) if verdict.admitted else [item]

    async def _learn_hits(self) -> None:
        for number in range(1, len(self._hits) + 1):
            self._policy.used(self._hits.popleft())
            if number % _STEP == 0:
                await asyncio.sleep(0)

    async def _delete(self, leaving: Sequence[Item]) -> None:
        # One that came back since the verdict stays.
        leaving = [item for item in leaving if self._policy.size_of(item.key) is None]
        if leaving:
            await self._remove([item.key for item in leaving])
        for item in leaving:
            self._tell(item, "evicted: others save more a byte")

    def _tell(self, item: Item, reason: str) -> None:
        self._emit(StoreEvent(outcome="evicted", model=item.model, reason=reason, size=item.size))

    def _wrote_much(self) -> bool:
        return len(self._written) > max(1000, self._policy.entries // 4)

    async def _recount_quietly(self) -> None:
        self._count_due = time.monotonic() + self._interval * random.uniform(0.75, 1.25)  # noqa: S311
        try:
            await self.recount()
        except Exception as error:  # noqa: BLE001 - what was counted so far still bounds the store
            _log.warning("stored answers could not be counted: %s", type(error).__name__)
            self._count_due = min(self._count_due, time.monotonic() + _RETRY)


def _item(key: str, size: int, micros: int | None, tenant: str | None, model: str) -> Item:
    cost = _MICROS_PER_BYTE * size if micros is None else float(micros)
    return Item(key, size, max(cost, 1.0), tenant, model)
