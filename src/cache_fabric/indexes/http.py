"""An index behind the HTTP API of another fabric: its server's own index, a round trip away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from cache_fabric.indexes.base import VectorItem
from cache_fabric.part_calls import RemoteItem
from cache_fabric.part_link import NAME, Link
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["HttpIndex"]


class HttpIndex:
    """Nearest neighbors as the index of a server finds them.

    Args:
        url: As of `Link`.
    """

    name = NAME

    def __init__(self, url: str) -> None:
        self._link = Link("index", url)

    @classmethod
    def from_url(cls, url: str, namespace: str) -> HttpIndex:
        """As the constructor; the store of the same URL compares the namespace."""
        return cls(url)

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        self._link.connect()
        asked = {"embedder": embedder, "dimension": dimension, "replace": replace}
        await self._link.call("index", "open", **asked)

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        sent = [(item.id, item.partition, _bytes(item.vector), item.ttl) for item in items]
        await self._link.call("index", "upsert", items=sent)

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        asked = {"vector": _bytes(vector), "partition": partition, "k": k}
        return cast(list[Neighbor], await self._link.call("index", "search", **asked))

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        asked = {"partition": partition, "limit": limit}
        return _items(await self._link.call("index", "partition_items", **asked))

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        return _items(await self._link.call("index", "fetch", ids=ids))

    async def delete(self, ids: Sequence[str]) -> None:
        await self._link.call("index", "delete", ids=ids)

    async def count(self, partition: str | None = None) -> int:
        return cast(int, await self._link.call("index", "count", partition=partition))

    async def clear(self) -> None:
        await self._link.call("index", "clear")

    async def scrub(self) -> Sequence[str]:
        return cast(Sequence[str], await self._link.call("index", "scrub"))

    async def aclose(self) -> None:
        await self._link.aclose()


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _items(found: Sequence[RemoteItem]) -> list[VectorItem]:
    return [
        VectorItem(name, partition, np.frombuffer(vector, dtype="<f4").copy(), ttl)
        for name, partition, vector, ttl in found
    ]
