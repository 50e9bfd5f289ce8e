"""Fabrics that share one store, as processes of one deployment do, and runs that are judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.records import Feedback
from cache_fabric.stores.memory import MemoryStore
from servers import Server, running

Make = Callable[[], Awaitable[CacheFabric]]
KEY = "router:support:system_prompt"
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
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

    async def one() -> CacheFabric:
        store = places[request.param]()
        fabric = create_cache_fabric("memory", store=store, config=PATIENT, policy=Threshold())
        made.append(fabric)
        return fabric

    yield one
    for fabric in made:
        await fabric.aclose()


@pytest.fixture
async def shop(make: Make) -> CacheFabric:
    """A fabric with a prompt of two versions, whose label points at the second."""
    fabric = await make()
    await fabric.set_context(KEY, "You are a shop's support.")
    await fabric.set_context(KEY, "You are a pirate.")
    await fabric.label_context(KEY, "production", 1)
    await fabric.label_context(KEY, "production", 2, if_version=1)
    return fabric


async def judged(
    fabric: CacheFabric,
    execution_id: str,
    version: int | None,
    feedback: dict[str, Any],
    *,
    key: str = KEY,
    trusted: bool = True,
    tenant: str | None = None,
) -> Feedback:
    """Track a run that used a version of a context, and say something of it."""
    state = {
        "input": f"question {execution_id}",
        "output": f"answer {execution_id}",
        "contexts": [{"key": key, "version": version}],
    }
    await fabric.track_execution(execution_id, "support", state, tenant=tenant)
    return await fabric.record_feedback(execution_id, feedback, trusted=trusted)


async def judge(fabric: CacheFabric, version: int, rating: float, count: int, **more: Any) -> None:
    """Say the same of so many new runs of a version."""
    for number in range(count):
        name = f"{version}-{rating}-{number}-{sorted(more.items())}"
        await judged(fabric, name, version, {"user_rating": rating}, **more)


async def labelled(fabric: CacheFabric, label: str = "production") -> int:
    """Return the version that a label points at in the store."""
    entry = await fabric.get_context(KEY, label=label, max_staleness=0)
    version: int = entry.version
    return version
