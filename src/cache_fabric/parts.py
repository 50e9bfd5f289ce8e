"""The three backends of a fabric."""

from __future__ import annotations

from dataclasses import dataclass

from cache_fabric.embedders.base import Embedder
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.stores.base import Store

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The three backends; ``owned`` says which of them the fabric made and so must close."""

    store: Store
    index: VectorIndex
    embedder: Embedder
    owned: frozenset[str]
