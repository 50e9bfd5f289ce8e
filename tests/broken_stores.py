"""Stores whose documents cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Document
from cache_fabric.stores.memory import MemoryStore

__all__ = ["DeadStore", "HungStore"]


class DeadStore(MemoryStore):
    """Refuses every write."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.documents.put = self._put  # type: ignore[method-assign]

    async def set_many(self, writes: Sequence[Write]) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")

    async def _put(self, kind: str, documents: Sequence[Document]) -> None:
        raise BackendUnavailable("memory", "put", "is away")


class HungStore(MemoryStore):
    """Ends no write."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.documents.put = self._put  # type: ignore[method-assign]

    async def set_many(self, writes: Sequence[Write]) -> None:
        await asyncio.Event().wait()

    async def _put(self, kind: str, documents: Sequence[Document]) -> None:
        await asyncio.Event().wait()
