"""Blocks with a bound and with times to live: what is past its time or too much is let go."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from cache_fabric.indexes._block import Blocks
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["ExpiringBlocks"]


class ExpiringBlocks(Blocks):
    """`Blocks` of at most ``max_vectors``, which forget a vector at its time.

    Above the bound the partitions that were used longest ago are let go.
    """

    def __init__(self, dimension: int, max_vectors: int) -> None:
        super().__init__(dimension)
        self._max_vectors = max_vectors
        self._used: OrderedDict[str, None] = OrderedDict()  # from the longest ago to the last
        self._expires: dict[str, float] = {}
        self._due: list[tuple[float, str]] = []  # a heap; may hold times that are out of date

    def hold(self, item: VectorItem, expires: float | None) -> bool:
        """Keep an item until ``expires`` (epoch seconds); False if something had to go for it."""
        self._forget_expired()
        if len(self._used) > 2 * len(self._blocks) + 1000:
            self._used = OrderedDict.fromkeys(p for p in self._used if p in self._blocks)
        self._used[item.partition] = None
        self._used.move_to_end(item.partition)
        self.discard(item.id)
        whole = self.count() < self._max_vectors
        while self.count() >= self._max_vectors:
            oldest = next(iter(self._used))
            if oldest == item.partition:
                return False
            del self._used[oldest]
            self.drop(oldest)
        self.put(item)
        self._expires.pop(item.id, None)
        if expires is not None:
            self._expires[item.id] = expires
            heapq.heappush(self._due, (expires, item.id))
        return whole

    def search(self, partition: str | None, vector: Vector, k: int) -> list[Neighbor]:
        self._forget_expired()
        if partition is not None and partition in self._used:
            self._used.move_to_end(partition)
        return super().search(partition, vector, k)

    def clear(self) -> None:
        super().clear()
        self._used.clear()
        self._expires.clear()
        self._due.clear()

    def _forget_expired(self) -> None:
        now = time.time()
        while self._due and self._due[0][0] <= now:
            expires, key = heapq.heappop(self._due)
            if self._expires.get(key) == expires:
                del self._expires[key]
                self.discard(key)
        if len(self._due) > 2 * len(self._expires) + 1000:
            self._due = sorted((expires, key) for key, expires in self._expires.items())
