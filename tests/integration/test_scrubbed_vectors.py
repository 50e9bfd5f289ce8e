"""After a scrub no byte of a deleted vector or of its id is in any file of an embedded index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.indexes.qdrant import QdrantIndex

DIMENSION = 64
MAKERS: dict[str, Callable[[Path], VectorIndex]] = {
    "chroma": lambda folder: ChromaIndex(folder, collection="scrubbed"),
    "qdrant": lambda folder: QdrantIndex(str(folder), collection="scrubbed"),
}


def items(name: str, count: int) -> list[VectorItem]:
    rows = np.random.default_rng(list(name.encode())).standard_normal((count, DIMENSION))
    vectors = [(row / np.linalg.norm(row)).astype(np.float32) for row in rows]
    return [VectorItem(f"{name}-{n}", f"of {name}", v) for n, v in enumerate(vectors)]


def traces(folder: Path, gone: list[VectorItem]) -> set[str]:
    """Files that hold an id, or a vector as float32, float64 or in a pickle."""
    marks = [
        mark
        for item in gone
        for mark in (
            item.id.encode(),
            item.vector.tobytes(),
            item.vector.astype("<f8").tobytes(),
            item.vector[:1].astype(">f8").tobytes(),
        )
    ]
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        file.name for file in files for data in [file.read_bytes()] if any(m in data for m in marks)
    }


async def opened(index: VectorIndex) -> VectorIndex:
    await index.open(embedder="e", dimension=DIMENSION)
    return index


@pytest.mark.parametrize("others", [20, 2_500])
@pytest.mark.parametrize("kind", list(MAKERS))
async def test_nothing_of_what_was_deleted_is_left(tmp_path: Path, kind: str, others: int) -> None:
    """Chroma keeps few vectors in its queue alone, and many in a graph that forgets none."""
    index = await opened(MAKERS[kind](tmp_path))
    gone, staying = items("gone", 5), items("staying", others)
    await index.upsert([*gone, *staying])
    await index.delete([item.id for item in gone])
    assert kind == "qdrant" or traces(tmp_path, gone)  # or this test would prove nothing
    remains = await index.scrub()
    assert ["memory" in said for said in remains] == [True] * (kind == "chroma")
    assert not traces(tmp_path, gone)
    await index.aclose()
    assert not traces(tmp_path, gone)
    await opened(index)
    assert await index.count() == others
    for item in staying[:5]:
        [near] = await index.search(item.vector, partition="of staying", k=1)
        assert near.id == item.id
    await index.aclose()


async def test_nothing_is_left_of_a_cleared_collection(tmp_path: Path) -> None:
    index = await opened(MAKERS["chroma"](tmp_path))
    gone = items("gone", 1_500)
    await index.upsert(gone)
    await index.clear()
    assert traces(tmp_path, gone)
    await index.scrub()
    assert not traces(tmp_path, gone)
    await index.aclose()


async def test_another_namespace_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    other = await opened(ChromaIndex(tmp_path, collection="other"))
    staying = items("staying", 1_200)
    await other.upsert(staying)
    await other.aclose()
    index = await opened(MAKERS["chroma"](tmp_path))
    await index.scrub()
    await index.aclose()
    await opened(other)
    assert await other.count() == len(staying)
    [near] = await other.search(staying[0].vector, partition="of staying", k=1)
    assert near.id == staying[0].id
    await other.aclose()


async def test_a_folder_that_is_in_use_twice_says_what_remains(tmp_path: Path) -> None:
    index, other = [await opened(MAKERS["chroma"](tmp_path)) for _ in range(2)]
    gone = items("gone", 3)
    await index.upsert(gone)
    await index.delete([item.id for item in gone])
    [remains] = await index.scrub()
    assert "is open twice in this process" in remains
    await other.upsert(items("late", 1))  # of a collection that has another id now
    assert await index.count() == 1
    await other.aclose()
    [remains] = await index.scrub()
    assert "is open twice" not in remains
    assert not traces(tmp_path, gone)
    await index.aclose()


async def test_what_an_interrupted_scrub_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    index = await opened(MAKERS["chroma"](tmp_path))
    staying, gone = items("staying", 300), items("gone", 3)
    await index.upsert([*staying, *gone])
    begun = asyncio.create_task(index.scrub())
    for _ in range(3):
        await index.count()  # by way of the same thread: some of it has been copied by now
    begun.cancel()
    await asyncio.wait([begun])
    await index.delete([item.id for item in gone])
    await index.scrub()
    assert not traces(tmp_path, gone)
    assert await index.count() == len(staying)
    await index.aclose()


async def test_no_memory_of_the_process_stays_in_the_file_of_a_graph(tmp_path: Path) -> None:
    """Chroma writes what was freed before into the room of a graph; here that is all vectors."""
    gone = items("gone", 8)
    for number in range(8):
        folder = tmp_path / str(number)
        index = await opened(MAKERS["chroma"](folder))
        for item in (*gone, *items("staying", 4)):
            await index.upsert([item])
        await index.search(gone[0].vector, partition="of gone", k=3)
        await index.delete([item.id for item in gone])
        await index.scrub()
        assert not traces(folder, gone)
        await index.search(gone[0].vector, partition="of gone", k=3)
        await index.aclose()
        assert not traces(folder, gone)
        assert list(folder.glob("*/data_level0.bin"))
