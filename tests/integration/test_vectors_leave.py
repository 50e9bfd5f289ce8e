"""An answer that leaves takes its vector with it, wherever vectors are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    create_cache_fabric,
)
from servers import running

Make = Callable[..., CacheFabric]
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=30)


@pytest.fixture(params=["redis", "sqlite", "qdrant", "chroma"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Make a fabric on the same place each time, with some limits."""

    def local(index: str) -> Make:
        return lambda **limits: create_cache_fabric(
            "local",
            path=tmp_path / "kept",
            index=index,
            config=dataclasses.replace(PATIENT, **limits),
        )

    if request.param != "redis":
        places = {"sqlite": "resident", "qdrant": f"qdrant://{tmp_path}/vectors"}
        yield local(places.get(request.param, f"chroma://{tmp_path}/vectors"))
        return
    with running(tmp_path) as server:
        yield lambda **limits: create_cache_fabric(
            "redis", url=server.url, config=dataclasses.replace(PATIENT, **limits)
        )


async def answer(fabric: CacheFabric, *numbers: int) -> None:
    for number in numbers:
        question = CacheRequest(
            model="m",
            messages=[{"role": "user", "content": f"How do I return item {number}?"}],
            options=CacheOptions(tags=(f"item {number}",)),
        )
        await fabric.get_or_call(question, lambda: "By post.")
        await fabric.flush()


async def vectors(fabric: CacheFabric) -> int:
    return await fabric._life().parts.index.count()


async def test_of_what_is_evicted(make: Make) -> None:
    async with make(max_entries=3) as fabric:
        await answer(fabric, *range(8))
        assert len(await fabric.list_answers()) == await vectors(fabric) == 3
        assert fabric._life().engine.capacity.entries == 3


async def test_of_what_a_recount_finds_too_much(make: Make) -> None:
    async with make() as fabric:
        await answer(fabric, *range(5))
    async with make(max_entries=2) as fabric:
        await fabric._life().engine.capacity.settled()
        assert len(await fabric.list_answers()) == await vectors(fabric) == 2


async def test_of_what_is_invalidated_before_the_index_was_ever_used(make: Make) -> None:
    async with make() as fabric:
        await answer(fabric, 0, 1)
    async with aclosing(make()) as fabric:
        assert (await fabric.invalidate(tag="item 0")).count == 1
        await fabric.open()
        assert await vectors(fabric) == 1


async def test_vectors_are_counted_as_answers_nowhere(make: Make) -> None:
    async with make() as fabric:
        await answer(fabric, 0, 1)
        await fabric._run(lambda life: life.engine.capacity.recount())
        assert fabric._life().engine.capacity.entries == 2
        assert len(await fabric.list_answers()) == 2
        assert (await fabric.inspect()).answers == {"m": 2}
        assert (await fabric.invalidate(model="m", dry_run=True)).count == 2


async def test_of_all_when_all_is_cleared(make: Make) -> None:
    async with make() as fabric:
        await answer(fabric, 0, 1)
        assert await fabric.clear() == 2
        assert await vectors(fabric) == 0
