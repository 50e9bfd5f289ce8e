"""The policies that eviction is measured against, each over items of any size and cost."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from cache_fabric.eviction import Bounds, Eviction, Item

__all__ = ["POLICIES", "Cache"]


class Cache(Protocol):
    """A simulated cache."""

    def request(self, item: Item) -> bool:
        """True for a hit; after a miss the item is offered to the cache."""


class _Queue:
    """FIFO, or LRU when hits move to the end."""

    def __init__(self, capacity: int, *, recency: bool) -> None:
        self._capacity, self._recency = capacity, recency
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0

    def request(self, item: Item) -> bool:
        if item.key in self._sizes:
            if self._recency:
                self._sizes.move_to_end(item.key)
            return True
        self._sizes[item.key] = item.size
        self._bytes += item.size
        while self._bytes > self._capacity:
            self._bytes -= self._sizes.popitem(last=False)[1]
        return False


class _FirstCome:
    """Plain: what came first stays, and nothing is let in once it is full."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._kept: set[str] = set()

    def request(self, item: Item) -> bool:
        if item.key in self._kept:
            return True
        if item.size <= self._free:
            self._free -= item.size
            self._kept.add(item.key)
        return False


class _Greedy:
    """GDSF (Cherkasova 1998): clock + uses x cost / size; LFU without clock, cost and size."""

    def __init__(self, capacity: int, *, aware: bool) -> None:
        self._free, self._aware = capacity, aware
        self._clock = 0.0
        self._kept: dict[str, tuple[float, int, int, Item]] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._turn = 0

    def request(self, item: Item) -> bool:
        self._turn += 1
        found = self._kept.get(item.key)
        uses = found[2] + 1 if found else 1
        worth = self._clock + uses * item.cost / item.size if self._aware else float(uses)
        self._kept[item.key] = (worth, self._turn, uses, item)
        heapq.heappush(self._heap, (worth, self._turn, item.key))
        if found is None:
            self._free -= item.size
        while self._free < 0:
            worth, turn, key = heapq.heappop(self._heap)
            if key in self._kept and self._kept[key][:2] == (worth, turn):
                self._free += self._kept.pop(key)[3].size
                self._clock = worth
        return found is not None


class _Fabric:
    """Ours, as the product runs it."""

    def __init__(self, capacity: int) -> None:
        self._eviction = Eviction(Bounds(max_bytes=capacity))

    def request(self, item: Item) -> bool:
        if self._eviction.size_of(item.key) is not None:
            self._eviction.used(item.key)
            return True
        self._eviction.admit(item)
        return False


POLICIES: dict[str, Callable[[int], Cache]] = {
    "LRU": lambda capacity: _Queue(capacity, recency=True),
    "FIFO": lambda capacity: _Queue(capacity, recency=False),
    "plain": _FirstCome,
    "LFU": lambda capacity: _Greedy(capacity, aware=False),
    "GDSF": lambda capacity: _Greedy(capacity, aware=True),
    "fabric": _Fabric,
}
"""By name; each takes its capacity in the unit of `Item.size`. The first is what gains refer to."""
