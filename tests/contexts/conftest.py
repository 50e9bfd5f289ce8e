"""Fabrics that share contexts: in memory, on one SQLite file, later on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.stores.memory import MemoryStore

Make = Callable[[], Awaitable[CacheFabric]]
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Make fabrics that see each other's contexts, as processes of one deployment do."""
    shared = MemoryStore("n")
    made: list[CacheFabric] = []

    async def one() -> CacheFabric:
        store = shared if request.param == "memory" else f"sqlite://{tmp_path / 'fabric.db'}"
        fabric = create_cache_fabric("memory", store=store, config=PATIENT)
        made.append(fabric)
        return fabric

    yield one
    for fabric in made:
        await fabric.aclose()
