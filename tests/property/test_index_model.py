"""Random programs of index calls against a dict that is searched by brute force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.indexes.resident import ResidentIndex
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.memory import MemoryStore

DIMENSION = 4


def unit(numbers: list[int]) -> Any:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


IDS = st.sampled_from("abcdefgh")
PARTITIONS = st.sampled_from("pqr")
VECTORS = st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION).filter(any).map(unit)


@dataclass(frozen=True)
class Upsert:
    items: list[VectorItem]


@dataclass(frozen=True)
class Delete:
    ids: list[str]


@dataclass(frozen=True)
class Search:
    vector: Any
    partition: str
    k: int


@dataclass(frozen=True)
class Warm:
    partition: str


@dataclass(frozen=True)
class Clear:
    pass


@dataclass(frozen=True)
class Turn:
    """One turn of the loop, so that loads get on a little between calls."""


PROGRAMS = st.lists(
    st.builds(Upsert, st.lists(st.builds(VectorItem, IDS, PARTITIONS, VECTORS), max_size=5))
    | st.builds(Delete, st.lists(IDS, max_size=3))
    | st.builds(Search, VECTORS, PARTITIONS, st.integers(1, 4))
    | st.builds(Warm, PARTITIONS)
    | st.builds(Clear)
    | st.builds(Turn),
    max_size=40,
)


class HesitantIndex(MemoryIndex):
    """Lets other tasks in before and after everything, as an index behind a socket does."""

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        await asyncio.sleep(0)
        await super().upsert(items)
        await asyncio.sleep(0)

    async def delete(self, ids: Sequence[str]) -> None:
        await asyncio.sleep(0)
        await super().delete(ids)
        await asyncio.sleep(0)

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        await asyncio.sleep(0)
        items = await super().partition_items(partition, limit)
        await asyncio.sleep(0)
        return items


Model = dict[str, VectorItem]


async def step(index: VectorIndex, model: Model, call: Any) -> None:
    match call:
        case Upsert(items):
            await index.upsert(items)
            model.update({item.id: item for item in items})
        case Delete(ids):
            await index.delete(ids)
            for key in ids:
                model.pop(key, None)
        case Clear():
            await index.clear()
            model.clear()
        case Warm(partition):
            if isinstance(index, ResidentIndex):
                await index.warm(partition)
        case Turn():
            await asyncio.sleep(0)
        case Search(vector, partition, k):
            await check_search(index, model, vector, partition, k)


async def check_search(
    index: VectorIndex, model: Model, vector: Any, partition: str, k: int
) -> None:
    """Ids may differ where similarities are equal; similarities may not."""
    cosines = {i.id: float(i.vector @ vector) for i in model.values() if i.partition == partition}
    neighbors = await index.search(vector, partition=partition, k=k)
    expected = sorted(cosines.values(), reverse=True)[:k]
    assert [near.similarity for near in neighbors] == pytest.approx(expected, abs=1e-5)
    assert len({near.id for near in neighbors}) == len(neighbors)
    for near in neighbors:
        assert near.similarity == pytest.approx(cosines[near.id], abs=1e-5)


async def check_end(index: VectorIndex, model: Model) -> None:
    for partition in "pqr":
        kept = {item.id: item for item in await index.partition_items(partition, 100)}
        assert set(kept) == {key for key, item in model.items() if item.partition == partition}
        assert await index.count(partition) == len(kept)
        for key, item in kept.items():
            assert item.vector == pytest.approx(model[key].vector, abs=1e-6)
            await check_search(index, model, model[key].vector, partition, 8)
    assert await index.count() == len(model)


async def run(index: VectorIndex, program: list[Any]) -> None:
    await index.open(embedder="model", dimension=DIMENSION)
    model: Model = {}
    try:
        for call in program:
            await step(index, model, call)
        await check_end(index, model)
    finally:
        await index.aclose()


@pytest.mark.parametrize(
    "make",
    [
        MemoryIndex,
        lambda: ResidentIndex(MemoryIndex()),
        lambda: ResidentIndex(HesitantIndex()),
        lambda: ResidentIndex(HesitantIndex(), max_vectors=3),
        lambda: StoredIndex(lambda: MemoryStore("n")),
    ],
    ids=["memory", "resident", "resident over a slow index", "resident with little room", "stored"],
)
@settings(max_examples=150)
@given(program=PROGRAMS)
def test_an_index_finds_what_brute_force_finds(
    make: Callable[[], VectorIndex], program: list[Any]
) -> None:
    asyncio.run(run(make(), program))
