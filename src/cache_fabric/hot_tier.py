"""The in-process tier: recently used envelopes, bounded by count and bytes, least recent out first.

Plain locked code without I/O, called from any thread and any loop. It keeps bytes, not objects, so
every hit is decoded afresh and no caller can change what another one gets.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

__all__ = ["HotTier"]


class HotTier:
    """Bytes by key with an expiry by the monotonic clock.

    Args:
        max_entries: Most entries kept.
        max_bytes: Most bytes of values kept; a larger value is not kept at all.
        clock: Monotonic seconds.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._table: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        """Return the bytes, or ``None`` when absent or expired."""
        with self._lock:
            found = self._table.get(key)
            if found is None:
                return None
            if found[1] <= self._clock():
                self._drop(key)
                return None
            self._table.move_to_end(key)
            return found[0]

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the bytes for at most ``ttl`` seconds."""
        if len(value) > self._max_bytes or ttl <= 0:
            return
        with self._lock:
            if key in self._table:
                self._drop(key)
            self._table[key] = (value, self._clock() + ttl)
            self._bytes += len(value)
            while len(self._table) > self._max_entries or self._bytes > self._max_bytes:
                self._drop(next(iter(self._table)))

    def keys(self) -> list[str]:
        """Return the keys that are held, expired ones among them."""
        with self._lock:
            return list(self._table)

    def discard(self, keys: Iterable[str]) -> None:
        """Forget these keys; unknown ones are fine."""
        with self._lock:
            for key in keys:
                if key in self._table:
                    self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._table.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._table)

    @property
    def bytes(self) -> int:
        """Bytes of all values kept."""
        return self._bytes

    def _drop(self, key: str) -> None:
        self._bytes -= len(self._table.pop(key)[0])
