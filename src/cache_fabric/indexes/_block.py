"""Exact cosine search over unit vectors in the process's own memory.

One product scores a whole partition: 23 µs for 1,000 vectors of 256 numbers, 0.2 ms for 10,000,
4 ms for 100,000. No approximate index that must be asked over a boundary is faster below that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.errors import BackendError
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cache_fabric.indexes.base import Vector

__all__ = ["Block", "Blocks", "as_row"]

_GROUP = 64


def as_row(vector: ArrayLike, dimension: int, index: str, operation: str) -> Vector:
    """The vector as ``dimension`` float32 numbers.

    Raises:
        BackendError: Another size, a number that is not finite, or nothing but zeros.
    """
    row = np.asarray(vector, dtype=np.float32)
    if row.shape != (dimension,):
        raise BackendError(
            index, operation, f"a vector has shape {row.shape}, expected ({dimension},)"
        )
    if not 0.0 < float(row @ row) < np.inf:
        raise BackendError(index, operation, "a vector holds NaN, infinity or only zeros")
    return row


class Block:
    """The vectors of one partition, packed into the first rows of one growing matrix."""

    __slots__ = ("_ids", "_matrix", "_row_of")

    def __init__(self, dimension: int) -> None:
        self._ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._matrix = np.empty((0, dimension), dtype=np.float32)

    @classmethod
    def of(cls, dimension: int, items: Sequence[VectorItem]) -> Block:
        """A block of these items, whose ids all differ, in one allocation."""
        block = cls(dimension)
        block._ids = [item.id for item in items]
        block._row_of = {key: row for row, key in enumerate(block._ids)}
        block._matrix = np.empty((len(items), dimension), dtype=np.float32)
        for row, item in enumerate(items):
            block._matrix[row] = item.vector
        return block

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> Sequence[str]:
        return self._ids

    def put(self, key: str, vector: Vector) -> None:
        """Copy the vector in, over the one of the same id if there is one."""
        row = self._row_of.get(key)
        if row is None:
            row = len(self._ids)
            if row == len(self._matrix):
                self._resize(max(1, 2 * row))
            self._ids.append(key)
            self._row_of[key] = row
        self._matrix[row] = vector

    def discard(self, key: str) -> None:
        row = self._row_of.pop(key, None)
        if row is None:
            return
        last = self._ids.pop()
        if last != key:
            self._matrix[row] = self._matrix[len(self._ids)]
            self._ids[row] = last
            self._row_of[last] = row
        if 4 * len(self._ids) < len(self._matrix):
            self._resize(2 * len(self._ids))

    def search(self, vector: Vector, k: int) -> list[Neighbor]:
        """At most ``k`` neighbors, nearest first."""
        if k < 1 or not self._ids:
            return []
        # The same numbers as `matrix @ vector`, which from 2,000 rows on waits for the threads of
        # OpenBLAS: 8 ms in place of 0.2 for 10,000 rows whenever these have gone to sleep.
        similarities = np.vecdot(self._matrix[: len(self._ids)], vector)
        nearest = _largest(similarities, k)
        clamped = np.clip(similarities[nearest], -1.0, 1.0)
        return [
            Neighbor(self._ids[row], similarity)
            for row, similarity in zip(nearest.tolist(), clamped.tolist(), strict=True)
        ]

    def vector(self, key: str) -> Vector:
        """A copy of the vector of an id that is there."""
        vector: Vector = self._matrix[self._row_of[key]].copy()
        return vector

    def vectors(self, limit: int) -> list[tuple[str, Vector]]:
        """At most ``limit`` ids, each with a copy of its vector."""
        ids = self._ids[: max(0, limit)]
        return [(key, self._matrix[row].copy()) for row, key in enumerate(ids)]

    def _resize(self, capacity: int) -> None:
        matrix = np.empty((capacity, self._matrix.shape[1]), dtype=np.float32)
        matrix[: len(self._ids)] = self._matrix[: len(self._ids)]
        self._matrix = matrix


def _largest(values: Vector, k: int) -> NDArray[np.intp]:
    """Where the ``k`` largest values are, largest first.

    The k-th largest of the groups' maxima is at most the k-th largest of all, and most often
    little below it, so few values are left to be sorted: 40,000 take 0.05 ms where
    ``argpartition`` takes 0.45.
    """
    groups = len(values) // _GROUP
    rows = np.arange(len(values))
    if k < groups:
        maxima = values[: groups * _GROUP].reshape(groups, _GROUP).max(axis=1)
        rows = np.flatnonzero(values >= np.partition(maxima, -k)[-k])
    largest: NDArray[np.intp] = rows[np.argsort(-values[rows])[:k]]
    return largest


class Blocks:
    """Blocks by partition; an id lives in one partition at a time, and no block is empty."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._blocks: dict[str, Block] = {}
        self._partition_of: dict[str, str] = {}

    def put(self, item: VectorItem) -> None:
        if self._partition_of.get(item.id, item.partition) != item.partition:
            self.discard(item.id)
        block = self._blocks.get(item.partition)
        if block is None:
            block = self._blocks[item.partition] = Block(self.dimension)
        block.put(item.id, item.vector)
        self._partition_of[item.id] = item.partition

    def adopt(self, partition: str, block: Block) -> None:
        """Make a block built elsewhere the whole of a partition."""
        self.drop(partition)
        self.discard_all(block.ids)
        if len(block):
            self._blocks[partition] = block
            self._partition_of.update(dict.fromkeys(block.ids, partition))

    def discard(self, key: str) -> None:
        partition = self._partition_of.pop(key, None)
        if partition is None:
            return
        block = self._blocks[partition]
        block.discard(key)
        if not len(block):
            del self._blocks[partition]

    def discard_all(self, ids: Iterable[str]) -> None:
        for key in ids:
            self.discard(key)

    def drop(self, partition: str) -> None:
        """Forget a whole partition."""
        block = self._blocks.pop(partition, None)
        for key in block.ids if block is not None else ():
            del self._partition_of[key]

    def search(self, partition: str | None, vector: Vector, k: int) -> list[Neighbor]:
        if partition is None:
            found = [n for block in self._blocks.values() for n in block.search(vector, k)]
            return sorted(found, key=lambda n: n.similarity, reverse=True)[: max(0, k)]
        block = self._blocks.get(partition)
        return block.search(vector, k) if block is not None else []

    def items(self, partition: str, limit: int) -> list[VectorItem]:
        block = self._blocks.get(partition)
        if block is None:
            return []
        return [VectorItem(key, partition, vector) for key, vector in block.vectors(limit)]

    def fetch(self, ids: Iterable[str]) -> list[VectorItem]:
        known = [(key, self._partition_of[key]) for key in ids if key in self._partition_of]
        return [VectorItem(key, of, self._blocks[of].vector(key)) for key, of in known]

    def count(self, partition: str | None = None) -> int:
        if partition is None:
            return len(self._partition_of)
        block = self._blocks.get(partition)
        return len(block) if block is not None else 0

    def clear(self) -> None:
        self._blocks.clear()
        self._partition_of.clear()
