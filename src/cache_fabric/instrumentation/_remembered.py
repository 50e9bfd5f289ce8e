"""A table that holds what came last, up to a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Remembered"]

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by name; called from any thread. What has waited longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._table: OrderedDict[K, V] = OrderedDict()

    def put(self, key: K, value: V) -> list[V]:
        """Hold a value; returns those that had to go for it."""
        gone = []
        with self._lock:
            if key in self._table:
                gone.append(self._table.pop(key))
            self._table[key] = value
            while len(self._table) > self._most:
                gone.append(self._table.popitem(last=False)[1])
        return gone

    def get(self, key: K) -> V | None:
        """Return a value, ``None`` if it is not held."""
        with self._lock:
            return self._table.get(key)

    def pop(self, key: K) -> V | None:
        """Return a value and hold it no longer."""
        with self._lock:
            return self._table.pop(key, None)

    def clear(self) -> list[V]:
        """Return all values and hold none of them."""
        with self._lock:
            values, self._table = list(self._table.values()), OrderedDict()
        return values
