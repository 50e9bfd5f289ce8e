"""A Redis is stopped and started: what agents answered and ran meanwhile is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, CacheRequest, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.types import Hit, Miss
from servers import running

MOST = 200


def ask(number: int) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": f"question {number}"}])


async def work(fabric: CacheFabric, numbers: range) -> None:
    for number in numbers:
        missed = await fabric.lookup(ask(number))
        assert isinstance(missed, Miss)
        await fabric.store(missed.ticket, f"answer {number}")
        assert fabric.track_soon(f"run-{number}", "graph", {"number": number})
        await asyncio.sleep(0.001)  # agents take turns with the queues


def fabric_of(url: str) -> CacheFabric:
    # The view of contexts is read again and again: a lookup finds the server gone quickly.
    config = FabricConfig(exact_timeout=1.0)
    return create_cache_fabric("redis", url=url, policy=ExactOnly(), config=config)


@pytest.mark.parametrize("options", [(), ("--appendonly", "yes")], ids=["memory", "appending"])
async def test_nothing_is_lost_while_it_is_stopped(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with running(tmp_path, *options) as server:
        fabric = fabric_of(server.url)
        await work(fabric, range(-10, 0))
        await fabric.flush()
        if options:
            await fabric.set_context("router:triage:system_prompt", "You are a router.")
        server.end()
        await work(fabric, range(MOST))
        life = fabric._life()
        assert len(life.engine.queue) == len(life.tracking.queue) == MOST
        server.start()
        async with asyncio.timeout(60):
            while len(life.engine.queue) + len(life.tracking.queue):
                await asyncio.sleep(0.01)
        metrics = await fabric.get_metrics()
        assert "dropped" not in metrics["answers"]
        assert metrics["executions"] == {"kept": MOST + 10}
        await fabric.aclose()
        other = fabric_of(server.url)
        for number in range(MOST):
            found = await other.lookup(ask(number))
            assert isinstance(found, Hit)
            assert found.entry.payload == f"answer {number}"
        runs = await other.search_executions(graph="graph", limit=MOST)
        assert len(runs) == MOST
        numbers = [run.state["number"] for run in runs]
        assert numbers == list(reversed(range(MOST)))
        await other.aclose()


async def test_a_server_that_stays_away_delays_the_end_by_no_more_than_its_patience(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        fabric = fabric_of(server.url)
        await work(fabric, range(-10, 0))
        await fabric.flush()
        server.end()
        await work(fabric, range(50))
        async with asyncio.timeout(30):
            await fabric.aclose()
        totals = fabric._metrics.totals()
        assert totals.answers["dropped"] == 50
        assert totals.executions == {"kept": 10, "dropped": 50}
