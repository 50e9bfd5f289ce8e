"""What both halves of the index contract stand on: directions in space and hostile texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.indexes.base import VectorIndex, VectorItem

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["DIMENSION", "EMBEDDER", "HOSTILE_TEXTS", "direction", "found", "item_at"]

EMBEDDER = "contract/8"
DIMENSION = 8

HOSTILE_TEXTS = (
    " ",
    "a",
    "A",
    "a ",
    "a\n",
    "a\x00",
    "a\x00b",
    "a%",
    "a_",
    "*",
    "$and",
    '{"$ne": ""}',
    "'; DROP TABLE embeddings; --",
    "../../etc/passwd",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "\N{GRINNING FACE}",
    "x" * 5_000,
    "x" * 4_999 + "y",
)
"""Ids and partitions that some index, some day, took for another or for a command."""


def direction(degrees: float) -> Vector:
    """The unit vector at an angle to the first axis, turned towards the second."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[0] = math.cos(math.radians(degrees))
    vector[1] = math.sin(math.radians(degrees))
    return vector


def item_at(degrees: float, key: str, partition: str = "p") -> VectorItem:
    """An item whose vector is that far from what `found` searches for."""
    return VectorItem(key, partition, direction(degrees))


async def found(index: VectorIndex, partition: str | None = "p", k: int = 10) -> list[str]:
    """The ids nearest to zero degrees, nearest first."""
    return [near.id for near in await index.search(direction(0), partition=partition, k=k)]
