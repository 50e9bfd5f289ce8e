"""What a vector index must do: vectors and opaque ids, filtered by partition inside the search.

The index holds no text. It can be dropped and rebuilt from the store. Similarity is the cosine,
1.0 for identical vectors; a driver converts its own metric and clamps rounding errors into
``[-1, 1]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

__all__ = ["VectorIndex", "VectorItem"]


@dataclass(frozen=True, slots=True, eq=False)
class VectorItem:
    """One unit vector (float32, length 1) under an opaque id, inside one partition.

    ``ttl`` is how many seconds the entry behind it has left, ``None`` for ever: an index may let
    the vector go then, and need not.
    """

    id: str
    partition: str
    vector: Vector
    ttl: float | None = None


@runtime_checkable
class VectorIndex(Protocol):
    """Nearest neighbors by cosine similarity. All methods run on the fabric's home loop."""

    name: str

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        """Connect and check; idempotent.

        With ``replace``, vectors of another embedder or size are deleted; what is held of this
        one stays.

        Raises `ConfigurationError` when the place holds vectors of another embedder or size, and
        `BackendUnavailable` when it cannot be opened or belongs to another process.
        """

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        """Add, or replace by id; of one id twice in a call the later one wins."""

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        """At most ``k`` neighbors, nearest first: of this partition only, or of all (``None``)."""

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        """At most ``limit`` items of a partition, in no order (for residency)."""

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        """The items of these ids that are there, in no order; the ids all differ."""

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete by id; unknown ids are fine."""

    async def count(self, partition: str | None = None) -> int:
        """How many vectors there are, in one partition or in all."""

    async def clear(self) -> None:
        """Delete every vector of this index, and nothing else."""

    async def scrub(self) -> Sequence[str]:
        """Make the bytes of deleted vectors unreadable, as far as that can be done from here.

        Returns what remains and until when, one sentence each; nothing where nothing remains.
        """

    async def aclose(self) -> None:
        """Close what `open` opened; idempotent."""
