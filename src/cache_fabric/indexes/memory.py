"""The index of the ``memory`` preset: exact, this process only, gone when it is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.indexes._block import Blocks, as_row
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["MemoryIndex"]


class MemoryIndex:
    """A `VectorIndex` in plain memory. Nothing waits, so no method ever yields to the loop."""

    name = "memory"

    def __init__(self) -> None:
        self._blocks: Blocks | None = None
        self._embedder = ""

    @classmethod
    def from_url(cls, url: str, namespace: str) -> MemoryIndex:
        """An index for ``memory``; every object is its own place, whatever the namespace."""
        return cls()

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        if self._blocks is not None:
            if (self._embedder, self._blocks.dimension) == (embedder, dimension):
                return
            if self._blocks.count() and not replace:
                raise ConfigurationError(
                    f"the memory index holds vectors of {self._embedder} "
                    f"({self._blocks.dimension} numbers), not of {embedder} ({dimension} numbers): "
                    "use the same embedder, or clear the index first"
                )
        self._blocks = Blocks(dimension)
        self._embedder = embedder

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        blocks = self._opened("upsert")
        rows = [as_row(item.vector, blocks.dimension, self.name, "upsert") for item in items]
        for item, row in zip(items, rows, strict=True):
            blocks.put(VectorItem(item.id, item.partition, row))

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        blocks = self._opened("search")
        return blocks.search(partition, as_row(vector, blocks.dimension, self.name, "search"), k)

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        return self._opened("partition_items").items(partition, limit)

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        return self._opened("fetch").fetch(ids)

    async def delete(self, ids: Sequence[str]) -> None:
        self._opened("delete").discard_all(ids)

    async def count(self, partition: str | None = None) -> int:
        return self._opened("count").count(partition)

    async def clear(self) -> None:
        self._opened("clear").clear()

    async def scrub(self) -> Sequence[str]:
        self._opened("scrub")
        return ()

    async def aclose(self) -> None:
        self._blocks = None

    def _opened(self, operation: str) -> Blocks:
        if self._blocks is None:
            raise BackendUnavailable(self.name, operation, "the index is not open")
        return self._blocks
