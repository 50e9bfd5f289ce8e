"""The index is made anew from the store: lost, of another embedder, of another kind."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Threshold,
    create_cache_fabric,
)
from cache_fabric.errors import BackendError, ConfigurationError
from cache_fabric.reindex import Reindexed
from cache_fabric.stores.base import Write
from cache_fabric.types import Neighbor
from fabric.conftest import Clock

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=30)


def request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


async def fill(fabric: CacheFabric, count: int = 1) -> None:
    for number in range(count):
        await fabric.get_or_call(request(f"How do I return item {number}?"), lambda: "By post.")
    await fabric.flush()


async def near(fabric: CacheFabric) -> list[Neighbor]:
    """What the index holds near the first question."""
    return await fabric._run(
        lambda life: life.engine.semantic.search("How do I return item 0?", 10)
    )


@pytest.fixture
async def kept(tmp_path: Path) -> Path:
    """A folder with one answer, that nobody has open."""
    async with create_cache_fabric("local", path=tmp_path, config=PATIENT) as fabric:
        await fill(fabric)
    return tmp_path


def local(folder: Path, **options: Any) -> CacheFabric:
    return create_cache_fabric("local", path=folder, policy=Threshold(), config=PATIENT, **options)


async def test_a_lost_index_is_filled_again(kept: Path) -> None:
    shutil.rmtree(kept / "chroma")
    async with local(kept) as fabric:
        assert await fabric.search_similar("How do I return item 0?") == []
        assert await fabric.reindex() == Reindexed(1, 1, 0, 0, 0)
        hit = await fabric.lookup(request("How can I return item 0?"))
    assert isinstance(hit, Hit)
    assert hit.tier == "semantic"


async def test_an_index_of_another_embedder_gives_way(kept: Path) -> None:
    fabric = local(kept, embedder=lambda text: [1.0, float(len(text))])
    with pytest.raises(ConfigurationError, match="reindex"):
        await fabric.open()
    assert await fabric.reindex() == Reindexed(1, 1, 1, 0, 0)
    await fabric.open()
    [found] = await fabric.search_similar("How do I return item 0?")
    assert found["similarity"] == pytest.approx(1.0)
    await fabric.aclose()


async def test_the_vectors_can_move_to_another_kind_of_index(kept: Path) -> None:
    async with local(kept, index="resident") as fabric:
        await fabric.reindex()
    async with local(kept, index="resident") as fabric:
        hit = await fabric.lookup(request("How can I return item 0?"))
    assert isinstance(hit, Hit)


async def test_an_answer_that_is_stale_keeps_its_vector_while_it_is_of_use(
    tmp_path: Path, clock: Clock
) -> None:
    config = dataclasses.replace(PATIENT, ttl=10, ttl_jitter=0, stale_if_error=100)
    async with create_cache_fabric(
        "local", path=tmp_path, index="resident", config=config
    ) as fabric:
        await fill(fabric)
        clock.now += 50
        assert await fabric.reindex() == Reindexed(1, 1, 0, 0, 0)
        assert len(await near(fabric)) == 1
        clock.now += 61
        assert await near(fabric) == []


async def test_vectors_of_nothing_are_dropped(fabric: CacheFabric) -> None:
    await fill(fabric, 2)
    life = fabric._life()
    [first, _] = [key async for key, _ in life.parts.store.scan("a/")]
    await life.portal.run(lambda: life.parts.store.delete([first]))
    await fabric.reindex()
    assert await life.parts.index.count() == 1


async def test_what_cannot_be_indexed_is_counted(fabric: CacheFabric) -> None:
    await fill(fabric)
    continued = CacheRequest(model="m", messages=[{"role": "assistant", "content": "By"}])
    await fabric.get_or_call(continued, lambda: "post.")
    await fabric.flush()
    await fabric._life().parts.store.set_many([Write("a/corrupt", b"\x00")])
    assert await fabric.reindex() == Reindexed(3, 1, 0, 1, 1)


async def test_progress_is_told_batch_by_batch(fabric: CacheFabric) -> None:
    await fill(fabric, 300)
    told: list[tuple[int, int]] = []
    await fabric.reindex(lambda *step: told.append(step))
    assert told == [(256, 300), (300, 300)]


def test_the_blocking_view_has_it_too(tmp_path: Path) -> None:
    with create_cache_fabric("memory").sync as fabric:
        assert fabric.reindex() == Reindexed(0, 0, 0, 0, 0)


async def test_an_embedder_that_fails_is_the_callers_error(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(fabric)

    async def fail(_: Any) -> Any:
        raise BackendError("embedder", "embed", "no more tokens")

    monkeypatch.setattr(fabric._life().parts.embedder, "embed", fail)
    with pytest.raises(BackendError, match="no more tokens"):
        await fabric.reindex()
