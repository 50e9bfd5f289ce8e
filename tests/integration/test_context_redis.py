"""Contexts on a real Redis: cut connections, restarts, killed writers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from integration.test_context_processes import KILLED_WRITERS
from servers import Server, running

WATCHERS = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


async def follow(fabric: CacheFabric, seen: list[int], last: int) -> None:
    async for change in fabric.watch(after=0):
        seen.append(change.revision)
        if change.revision == last:
            return


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cuts", [100, pytest.param(1000, marks=pytest.mark.campaign)])
async def test_cut_connections_and_restarts_lose_no_change(server: Server, cuts: int) -> None:
    fabrics = [create_cache_fabric("memory", store=server.url) for _ in range(2)]
    killer = server.admin
    seen: list[list[int]] = [[] for _ in range(WATCHERS)]
    tasks = [asyncio.create_task(follow(fabrics[n % 2], mine, cuts)) for n, mine in enumerate(seen)]
    for number in range(1, cuts + 1):
        await fabrics[0].set_context("k", number)
        await asyncio.to_thread(killer.client_kill_filter, _type="normal", skipme=True)
        if number % (cuts // 3) == 0 and number < cuts:
            await asyncio.to_thread(server.end)
            await asyncio.to_thread(server.start)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)

    assert all(mine == list(range(1, cuts + 1)) for mine in seen)
    for fabric in fabrics:
        await fabric.aclose()


@pytest.mark.timeout(240)
def test_a_bundle_of_a_killed_writer_is_whole_or_absent(server: Server) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_WRITERS, server.url, "100"], check=False)
    assert done.returncode == 0
    with create_cache_fabric("memory", store=server.url).sync as fabric:
        prompts, tools = fabric.context_history("prompt"), fabric.context_history("tools")
    assert len({json.dumps(e.value[0]) for e in prompts}) > 50, "too few cycles wrote anything"
    assert [(e.value, e.revision) for e in prompts] == [(e.value, e.revision) for e in tools]
    assert [e.version for e in prompts] == list(range(1, len(prompts) + 1))
