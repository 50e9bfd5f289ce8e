"""Fabrics that share contexts: in memory, on one SQLite file, on a real Redis."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.stores.memory import MemoryStore
from servers import Server, running

Make = Callable[..., Awaitable[CacheFabric]]
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Make fabrics that see each other's contexts, as processes of one deployment do."""
    shared = MemoryStore("n")
    made: list[CacheFabric] = []
    places: dict[str, Callable[[], Any]] = {
        "memory": lambda: shared,
        "sqlite": lambda: f"sqlite://{tmp_path / 'fabric.db'}",
    }
    if request.param == "redis":
        server: Server = request.getfixturevalue("redis")
        server.flush()
        places["redis"] = lambda: server.url

    async def one(agent: str | None = None) -> CacheFabric:
        config = dataclasses.replace(PATIENT, agent=agent)
        fabric = create_cache_fabric("memory", store=places[request.param](), config=config)
        made.append(fabric)
        return fabric

    yield one
    for fabric in made:
        await fabric.aclose()
