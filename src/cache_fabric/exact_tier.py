"""The exact tier: entries by their key, from the process, from the write queue, from the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CodecError
from cache_fabric.freshness import is_fresh, is_within, longest_window
from cache_fabric.hot_tier import HotTier
from cache_fabric.live_verdicts import LiveVerdicts
from cache_fabric.part import Degraded, Part
from cache_fabric.stores.base import Store
from cache_fabric.types import CacheEntry, KeySet
from cache_fabric.write_behind import WriteBehind

__all__ = ["ANSWERS", "ExactTier"]

ANSWERS = "a/"


class ExactTier:
    """Reads envelopes; what has expired is kept for as long as its stale windows last.

    Args:
        hot: Envelopes of this process.
        queue: Envelopes on their way to the store.
        store: The store behind its part.
        records: The same store, for the calls.
        verdicts: Say which answers are quarantined, and which are pinned.
        retire: Is told the keys of entries that are of no use to anybody any more.
        config: Budgets and windows.
    """

    def __init__(
        self,
        hot: HotTier,
        queue: WriteBehind,
        store: Part,
        records: Store,
        verdicts: LiveVerdicts,
        retire: Callable[[Sequence[str]], None],
        config: FabricConfig,
    ) -> None:
        self._hot = hot
        self._queue = queue
        self._store = store
        self._records = records
        self._verdicts = verdicts
        self._retire = retire
        self._config = config
        self._window = longest_window(config)

    async def find(self, keys: KeySet) -> CacheEntry | None:
        """Return the entry, an expired one only where there is no other; raises `Degraded`."""
        recalled = self._allowed(self.recall(keys), keys)
        if recalled is not None and is_fresh(recalled, time.time()):
            return recalled
        try:
            data = await self._store.attempt(
                lambda: self._records.get(ANSWERS + keys.exact), self._config.exact_timeout
            )
        except Degraded:
            if recalled is None:
                raise
            return recalled
        if data is None:
            return recalled
        entry = self._of(data, keys)
        if entry is None:
            self._hot.discard([keys.exact])
            self._retire([keys.exact])
            return recalled
        if not self._verdicts.allows(entry):
            return recalled
        # Another process may have refreshed what is stale here.
        self._hot.put(keys.exact, data, self._config.hot_ttl)
        return entry

    def recall(self, keys: KeySet) -> bytes | None:
        """Return the envelope that this process holds; a pinned one before all others."""
        exact = keys.exact
        return self._verdicts.pinned.get(exact) or self._hot.get(exact) or self._queue.get(exact)

    def at_hand(self, keys: KeySet) -> CacheEntry | None:
        """Return the fresh entry that needs no I/O, from any thread."""
        exact = keys.exact
        return self.fresh_of(self._verdicts.pinned.get(exact) or self._hot.get(exact), keys)

    def fresh_of(self, data: bytes | None, keys: KeySet) -> CacheEntry | None:
        """Return the entry of an envelope if it is these keys' and has not expired."""
        entry = self._of(data, keys)
        return entry if entry is not None and self.is_servable(entry) else None

    def is_servable(self, entry: CacheEntry) -> bool:
        """Return whether an answer has not expired, and no verdict speaks against it."""
        return is_fresh(entry, time.time()) and self._verdicts.allows(entry)

    def take_in(self, data: bytes | None, keys: KeySet) -> CacheEntry | None:
        """As `fresh_of`, of an envelope from the store; the process keeps a fresh one as well."""
        data = self._verdicts.pinned.get(keys.exact) or data
        entry = self.fresh_of(data, keys)
        if data is not None and entry is not None:
            self._hot.put(keys.exact, data, self._config.hot_ttl)
        return entry

    def read(self, data: bytes | None) -> CacheEntry | None:
        """Return the entry of an envelope, ``None`` if it is corrupt or past its stale windows."""
        if data is None:
            return None
        try:
            entry = codec.decode(data, self._config.secret)
        except CodecError:
            return None
        return entry if is_within(entry, self._window, time.time()) else None

    def _allowed(self, data: bytes | None, keys: KeySet) -> CacheEntry | None:
        entry = self._of(data, keys)
        return entry if entry is not None and self._verdicts.allows(entry) else None

    def _of(self, data: bytes | None, keys: KeySet) -> CacheEntry | None:
        entry = self.read(data)
        return entry if entry is not None and entry.partition == keys.partition else None
