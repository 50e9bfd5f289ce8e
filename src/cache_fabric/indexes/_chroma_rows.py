"""What is said to a Chroma collection: ids, vectors and partition hashes, no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from chromadb import Collection

    from cache_fabric.indexes.base import Vector

__all__ = ["copy", "count", "delete", "fetch", "ids_of", "items", "nearest", "write"]

_OVERFETCH = 8
"""How many times k a plain query asks for, so that most need no filter (24 ms against 1.5)."""


def write(collection: Collection, rows: Sequence[tuple[VectorItem, Vector]]) -> None:
    """Add or replace rows whose ids all differ, at most one batch of them."""
    vectors: Any = np.stack([vector for _, vector in rows])
    collection.upsert(
        ids=[item.id for item, _ in rows],
        embeddings=vectors,
        metadatas=[{"partition": item.partition} for item, _ in rows],
    )


def delete(collection: Collection, ids: list[str]) -> None:
    """Delete rows by id, at most one batch of them; unknown ids are fine."""
    collection.delete(ids=ids)


def ids_of(collection: Collection) -> list[str]:
    """All ids."""
    return collection.get(include=[])["ids"]


def copy(collection: Collection, other: Collection, ids: list[str]) -> None:
    """Give another collection what this one has under the ids, at most one batch of them."""
    found = collection.get(ids=ids, include=["embeddings", "metadatas"])
    if found["ids"]:
        other.upsert(ids=found["ids"], embeddings=found["embeddings"], metadatas=found["metadatas"])
    gone = list(set(ids).difference(found["ids"]))
    if gone:
        other.delete(ids=gone)


def nearest(
    collection: Collection, vector: Vector, partition: str | None, k: int
) -> list[Neighbor]:
    """At most ``k`` neighbors of a partition, or of all (``None``), nearest first."""
    if partition is None:
        return _query(collection, vector, None, k)
    found = _query(collection, vector, partition, k * _OVERFETCH)
    if len(found) < k:
        # Whether the partition has more can only be told by the same filter at the same price.
        found = _query(collection, vector, partition, k, where={"partition": partition})
    return found[:k]


def _query(
    collection: Collection, vector: Vector, partition: str | None, n: int, where: Any = None
) -> list[Neighbor]:
    vectors: Any = vector[np.newaxis]
    result = collection.query(
        query_embeddings=vectors, n_results=n, where=where, include=["metadatas", "distances"]
    )
    distances, metadatas = result["distances"], result["metadatas"]
    assert distances is not None
    assert metadatas is not None
    return [
        Neighbor(key, max(-1.0, min(1.0, 1.0 - distance)))
        for key, distance, metadata in zip(
            result["ids"][0], distances[0], metadatas[0], strict=True
        )
        if partition in (None, metadata["partition"])
    ]


def _get(
    collection: Collection, partition: str, *, include: list[Any], limit: int | None = None
) -> Any:
    return collection.get(where={"partition": partition}, limit=limit, include=include)


def count(collection: Collection, partition: str | None) -> int:
    """How many rows a partition has, or all have (``None``)."""
    if partition is None:
        return collection.count()
    return len(_get(collection, partition, include=[])["ids"])


def items(collection: Collection, partition: str, limit: int) -> list[VectorItem]:
    """At most ``limit`` items of a partition."""
    return _read(_get(collection, partition, include=["embeddings", "metadatas"], limit=limit))


def fetch(collection: Collection, ids: list[str]) -> list[VectorItem]:
    """The items of these ids that are there, at most one batch of them."""
    return _read(collection.get(ids=ids, include=["embeddings", "metadatas"]))


def _read(result: Any) -> list[VectorItem]:
    vectors = np.asarray(result["embeddings"], dtype=np.float32)
    return [
        VectorItem(key, metadata["partition"], vector)
        for key, metadata, vector in zip(result["ids"], result["metadatas"], vectors, strict=True)
    ]
