"""Bounds on a Redis that several processes write to: each evicts, a recount puts the sum right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    create_cache_fabric,
)
from servers import running

MOST = 40
PROCESSES = 3

WRITE = """
import sys
from cache_fabric import CacheRequest, ExactOnly, FabricConfig, create_cache_fabric

url, name = sys.argv[1:]
config = FabricConfig(max_entries=40, exact_timeout=30)
with create_cache_fabric("redis", url=url, config=config, policy=ExactOnly()).sync as fabric:
    fabric.open()
    input()
    for number in range(100):
        messages = [{"role": "user", "content": f"{name}: {number}"}]
        fabric.get_or_call(CacheRequest(model="m", messages=messages), lambda: "answer")
    fabric.flush()
"""


def processes(url: str) -> list[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, url, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]


async def kept(fabric: CacheFabric) -> int:
    return sum((await fabric.inspect()).answers.values())


async def test_processes_overshoot_by_each_other_at_most_and_a_recount_ends_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        started = processes(server.url)
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            process.communicate(timeout=60)
            assert process.returncode == 0
        written = len(list(server.admin.scan_iter("cf:default:c:a/*")))
        assert MOST <= written <= PROCESSES * MOST
        config = FabricConfig(max_entries=MOST, exact_timeout=30)
        async with create_cache_fabric(
            "redis", url=server.url, config=config, policy=ExactOnly()
        ) as fabric:
            await fabric._life().engine.capacity.settled()
            assert await kept(fabric) == MOST
            request = CacheRequest(model="m", messages=[{"role": "user", "content": "one more"}])
            await fabric.get_or_call(request, lambda: "answer")
            await fabric.flush()
            assert await kept(fabric) == MOST
        assert server.admin.info()["evicted_keys"] == 0
