"""What `StoredIndex` adds to the index contract: bounds, and changes of others in any number."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cache_fabric.errors import ConfigurationError
from cache_fabric.indexes._vector_log import Note
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.testing._index_suite import direction, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER


async def test_a_large_batch_of_another_process_is_followed_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore("vectors")
    ours, theirs = (StoredIndex(lambda: store) for _ in range(2))
    for index in (ours, theirs):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    heard = asyncio.Event()
    apply = ours.apply

    async def applied(note: Note) -> None:
        await apply(note)
        heard.set()

    monkeypatch.setattr(ours, "apply", applied)
    await theirs.upsert([item_at(n / 10, f"{n}", f"p{n % 3}") for n in range(200)])
    await heard.wait()
    assert await ours.count() == 200
    assert [near.id for near in await ours.search(direction(0), partition="p1", k=2)] == ["1", "4"]
    await ours.aclose()
    await theirs.aclose()


async def test_what_does_not_fit_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    index = StoredIndex(lambda: MemoryStore("vectors"), max_vectors=2)
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    with caplog.at_level(logging.WARNING):
        await index.upsert([item_at(n, f"{n}") for n in range(5)])
    assert await index.count() == 2
    assert [record.message for record in caplog.records if "more than 2" in record.message] == [
        caplog.records[0].message
    ]
    await index.aclose()


def test_an_index_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_vectors"):
        StoredIndex(lambda: MemoryStore("vectors"), max_vectors=0)
