"""The answers that are kept: written to store and index, read from there, deleted everywhere.

The store is written first and the index second, and deleted from in the same order, so that a
crash in between leaves at worst a vector of nothing, which is removed on sight.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable, Sequence
from typing import Any

from cache_fabric.capacity import Capacity
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CacheFabricError
from cache_fabric.exact_tier import ANSWERS, ExactTier
from cache_fabric.freshness import longest_window
from cache_fabric.hot_tier import HotTier
from cache_fabric.instrumentation.events import Event, StoreEvent
from cache_fabric.leases import Leases
from cache_fabric.live_verdicts import LiveVerdicts
from cache_fabric.pacing import in_turns
from cache_fabric.part import Degraded, Part
from cache_fabric.selector import Retirements
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.stores.base import Store, Write
from cache_fabric.types import CacheEntry
from cache_fabric.write_behind import PendingWrite, WriteBehind

__all__ = ["KeptAnswers"]

_PATIENCE = 10.0  # seconds for work that no model call waits for
_STORE_OPEN_TIMEOUT = 1.0
_UNHEARD = "it waited, and may have been taken back unheard"
_log = logging.getLogger("cache_fabric")
_Call = Callable[[], Awaitable[object]]


class KeptAnswers:
    """Hot tier, write queue, store and index, kept in step; lives on the home loop.

    Args:
        records: Holds the entries; the authority.
        semantic: Finds entries by meaning.
        indexed: Whether the fabric's policy looks for answers by meaning.
        config: Limits and budgets.
        emit: Hears of answers that are lost or leave.
    """

    def __init__(
        self,
        records: Store,
        semantic: SemanticTier,
        *,
        indexed: bool,
        config: FabricConfig,
        emit: Callable[[Event], None],
    ) -> None:
        # A store only has to connect; weights and SDKs take longer to load.
        self.store = Part(
            "store", records.open, open_timeout=min(config.open_timeout, _STORE_OPEN_TIMEOUT)
        )
        self.hot = HotTier(config.hot_entries, config.hot_bytes)
        self.queue = WriteBehind(
            self._write,
            self._dropped,
            max_entries=config.queue_entries,
            max_bytes=config.queue_bytes,
            patient=True,
        )
        self.retirements = Retirements()
        # Reads what others have taken back up to now; who follows the change log puts it here.
        self.catch_up: _Call = lambda: asyncio.sleep(0)
        self._deaf_until = 0.0
        self.leases = Leases(self.store, records, config)
        self.verdicts = LiveVerdicts(config.secret)
        self.exact = ExactTier(
            self.hot, self.queue, self.store, records, self.verdicts, self.retire, config
        )
        self.capacity = Capacity(
            self.store, records, ANSWERS, self.exact.read, self._delete, emit, config
        )
        self._records = records
        self._semantic = semantic
        self._indexed = indexed
        self._config = config
        self._emit = emit
        self._background: set[asyncio.Task[None]] = set()

    def missed(self) -> None:
        """Drop what waits for a store that was away: nobody can say whether it was taken back."""
        self._deaf_until = time.monotonic()
        for item in self.queue.discard() if self.queue.is_behind else ():
            self._dropped(item, _UNHEARD)

    async def fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the envelopes of the keys, pinned and waiting ones as well."""
        missing = [key for key in keys if self._at_hand(key) is None]
        stored = await self._records.get_many([ANSWERS + key for key in missing]) if missing else []
        from_store = dict(zip(missing, stored, strict=True))
        return [self._at_hand(key) or from_store.get(key) for key in keys]

    async def take_in(self, entries: Sequence[CacheEntry], writes: Sequence[PendingWrite]) -> None:
        """Write answers that came from elsewhere; raises `BackendError`.

        ``writes`` are those of the ``entries``. What is stored and not indexed when it fails is
        indexed by the next try.
        """
        admitted = {item.key: item for item in await self.capacity.make_room(writes)}
        stored = [Write(ANSWERS + item.key, item.data, item.ttl) for item in admitted.values()]
        try:
            await self.store.demand(lambda: self._records.set_many(stored))
        except BaseException:
            self.capacity.failed(admitted.values())
            raise
        self.hot.discard(admitted)
        asked = [e for e in entries if e.exact in admitted and e.question is not None]
        if asked and self.is_indexed:
            await self._semantic.add_entries(asked)

    def give_up(self, batch: Iterable[PendingWrite]) -> None:
        """Let those go on who wait in other processes for what has landed, is late or lost."""
        self.leases.give_up([(item.key, item.lease) for item in batch if item.lease is not None])

    def retire(self, keys: Sequence[str]) -> None:
        """Delete entries in the background; a fault only leaves them to be found again."""
        self._in_background(self._delete(keys))

    def drop(self, entry_id: str) -> None:
        """Forget a quarantined answer in this process, and keep it from being written."""
        exact = entry_id.partition(".")[0]
        self.hot.discard([exact])  # what is newer there is in the queue or in the store as well
        self.capacity.forget([exact])
        if self._is_waiting(entry_id):
            self.give_up(self.queue.discard([exact]))
        if self._is_waiting(entry_id):
            self._in_background(self.take_out(entry_id))

    async def take_out(self, entry_id: str) -> None:
        """Delete a quarantined answer, unless a newer one has its key; raises `BackendError`."""
        exact = entry_id.partition(".")[0]
        while self._is_waiting(entry_id):
            self.give_up(self.queue.discard([exact]))
            await self.queue.write_now()
        data = await self.store.demand(lambda: self._records.get(ANSWERS + exact))
        entry = self.exact.read(data)
        if data is None or (entry is not None and entry.id != entry_id):
            return
        if await self.store.demand(lambda: self._records.remove_if(ANSWERS + exact, data)):
            await self.unindex([exact])

    async def put_back(self, entry: CacheEntry, data: bytes, leaving: Container[str]) -> str | None:
        """Bring an answer back that was taken out, by its key and by its meaning.

        Args:
            entry: The answer.
            data: Its bytes.
            leaving: Ids of answers that make room, were they pinned before.

        Returns:
            Why it is not served, in words; ``None`` if it is.

        Raises:
            BackendError: The store failed; the index is filled as far as that is possible.
        """
        if await self._has_successor(entry, leaving):
            return "a newer answer to its question is served"
        ttl = None
        if entry.expires is not None:
            ttl = entry.expires + longest_window(self._config) - time.time()
            if ttl <= 0:
                return "it has expired meanwhile"
        write = Write(ANSWERS + entry.exact, data, ttl)
        await self.store.demand(lambda: self._records.set_many([write]))
        self.capacity.count_soon()
        await self.index(entry)
        return None

    async def _has_successor(self, entry: CacheEntry, leaving: Container[str]) -> bool:
        pin = self.verdicts.pin_of(entry.exact)
        if pin is not None and pin != entry.id and pin not in leaving:
            return True
        data = self.queue.get(entry.exact)
        if data is None:
            key = ANSWERS + entry.exact
            data = await self.store.demand(lambda: self._records.get(key))
        newer = self.exact.read(data)
        return newer is not None and newer.id != entry.id and not self.verdicts.is_barred(newer.id)

    def index_soon(self, entry_id: str) -> None:
        """Index an answer that another process brought back or pinned: it may not have been able.

        A process that looks nothing up by meaning leaves it.
        """
        if self._semantic.is_open:
            self._in_background(self._index_by_id(entry_id))

    async def _index_by_id(self, entry_id: str) -> None:
        data = (await self.fetch([entry_id.partition(".")[0]]))[0]
        entry = self.exact.read(data)
        if entry is not None and entry.id == entry_id:
            await self.index(entry)

    async def index(self, entry: CacheEntry) -> None:
        """Let an answer be found by its meaning; fails open, for exact hits do without."""
        is_ours = entry.embedder == self._semantic.identity
        if self._indexed and is_ours and entry.question is not None:
            with contextlib.suppress(CacheFabricError):
                await self._semantic.add_entries([entry])

    def _is_waiting(self, entry_id: str) -> bool:
        entry = self.exact.read(self.queue.get(entry_id.partition(".")[0]))
        return entry is not None and entry.id == entry_id

    @property
    def is_indexed(self) -> bool:
        """True where answers are looked for by meaning, or the index is open all the same."""
        return self._indexed or self._semantic.is_open

    async def unindex(self, keys: Sequence[str]) -> None:
        """Take entries out of the index; fails open."""
        leaving = [key for key in keys if key not in self.verdicts.pinned]
        if leaving and self.is_indexed:
            with contextlib.suppress(Degraded):
                await self._semantic.remove(leaving, _PATIENCE)

    def _at_hand(self, key: str) -> bytes | None:
        return self.verdicts.pinned.get(key) or self.queue.get(key)

    async def _write(self, batch: Sequence[PendingWrite]) -> None:
        """Write the store first, the index second; the other place that fails open."""
        if self.queue.is_behind:
            batch = await self._still_wanted(batch)
        admitted = await self.capacity.make_room(batch)
        self.give_up(self.queue.go_on_with(admitted))
        writes = [Write(ANSWERS + item.key, item.data, item.ttl) for item in admitted]
        try:
            await self._attempt(lambda: self._records.set_many(writes), admitted)
        except Degraded:
            self.capacity.failed(admitted)
            raise
        self.give_up(admitted)
        if not (asked := [item for item in admitted if item.question is not None]):
            return
        try:
            await self._semantic.add(asked, _PATIENCE)
        except Degraded as fault:
            for item in asked:
                self._dropped(item, f"{fault}: kept for exact hits only")

    async def _still_wanted(self, batch: Sequence[PendingWrite]) -> list[PendingWrite]:
        """Return those that nobody has taken back while the store was away."""
        await self._attempt(self.catch_up, batch)
        wanted = []
        async for item in in_turns(batch):
            if item.since < self._deaf_until:
                self._dropped(item, _UNHEARD)
            elif self._is_wanted(item):
                wanted.append(item)
        return wanted

    async def _attempt(self, call: _Call, batch: Sequence[PendingWrite]) -> None:
        try:
            await self.store.attempt(call, _PATIENCE, insist=self.queue.insists)
        except Degraded:
            self.give_up(batch)  # others call the model, and do not wait for the store's return
            raise

    def _is_wanted(self, item: PendingWrite) -> bool:
        entry = self.exact.read(item.data)
        if entry is None or self.verdicts.hindrance(entry) is not None:
            return False
        return not self.retirements.cover(entry, item.since)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("an answer stays where it is: %s", type(task.exception()).__name__)

    def _dropped(self, item: PendingWrite, reason: str) -> None:
        self.give_up([item])
        self._emit(StoreEvent(outcome="dropped", model=item.model, reason=reason))

    async def _delete(self, keys: Sequence[str]) -> None:
        self.capacity.forget(keys)
        with contextlib.suppress(Degraded):
            await self.store.attempt(
                lambda: self._records.delete([ANSWERS + key for key in keys]), _PATIENCE
            )
            await self.unindex(keys)
        # What waits to be written is newer than what was deleted.
        self.hot.discard(key for key in keys if self.queue.get(key) is None)
