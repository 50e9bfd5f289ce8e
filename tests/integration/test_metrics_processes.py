"""Figures of many processes over one store, some of which are killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from servers import end_with_parent, eventually, running

PROCESSES, THREADS, EACH = 8, 4, 25

ASK = """
import sys, threading
from cache_fabric import CacheRequest, FabricConfig, Usage, create_cache_fabric

store, name, threads, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=60)
price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
fabric = create_cache_fabric("memory", store=store, config=patient, prices={"m": price}).sync
fabric.open()

def ask(thread):
    question = f"{name} {thread}"
    request = CacheRequest(
        model="m", messages=[{"role": "user", "content": question}], tenant=name,
        params={"seed": question},
    )
    found = fabric.lookup(request)
    fabric.store(found.ticket, "yes", usage=Usage(input_tokens=1000, output_tokens=1), latency=1.0)
    for _ in range(each):
        fabric.lookup(request)

threads = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done", flush=True)
sys.stdin.readline()
fabric.close()
"""


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fabric.db'}"
        return
    with running(tmp_path) as server:
        yield server.url


@contextlib.contextmanager
def asking(store: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has asked all it was told to, and has not closed its fabric yet."""
    with subprocess.Popen(
        [sys.executable, "-c", ASK, store, name, str(THREADS), str(EACH)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def opened(store: str) -> CacheFabric:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=60)
    return create_cache_fabric("memory", store=store, config=config)


def said(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"


def test_the_totals_of_eight_processes_are_exact(store: str) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(asking(store, f"t{n}")) for n in range(PROCESSES)]
        for process in processes:
            said(process)
        for process in processes:
            process.communicate("\n", timeout=60)
            assert process.returncode == 0
    misses = PROCESSES * THREADS
    hits = misses * EACH
    with opened(store).sync as fabric:
        for window in (None, "1h"):
            found = fabric.get_metrics(window)
            assert found["scope"] == "fabric"
            assert (found["hits"], found["misses"]) == (hits, misses)
            assert found["requests"] == hits + misses
            assert found["hit_rate"] == pytest.approx(100 * EACH / (EACH + 1))
            assert found["cost_spent"] == misses * 1001 / 1e6
            assert found["cost_saved"] == hits * 1001 / 1e6
            assert found["tokens_saved"] == hits * 1001
            assert sum(of_tier["count"] for of_tier in found["latency"].values()) == hits + misses
            assert found["latency"]["miss"]["p50"] >= 990  # of a call that took 1,000 ms
            rows = {row.pop("name"): row for row in found["savings"]["tenant"]}
            assert set(rows) == {f"t{n}" for n in range(PROCESSES)}
            assert {row["hits"] for row in rows.values()} == {THREADS * EACH}
        assert fabric.inspect().metrics["hits"] == hits


def test_of_a_process_that_is_killed_all_but_the_last_seconds_is_there(store: str) -> None:
    hits = THREADS * EACH
    with opened(store).sync as fabric, asking(store, "killed") as process:
        said(process)
        eventually(
            # in all and by the minute: they are written one after the other
            lambda: all(fabric.get_metrics(window)["hits"] == hits for window in (None, "1h")),
            "the first write behind",
        )
        process.kill()
        process.wait()
        assert json.dumps(fabric.get_metrics()["savings"]["tenant"]).count("killed") == 1
    with opened(store).sync as fabric:
        assert fabric.get_metrics()["hits"] == hits
        assert fabric.get_metrics("1h")["hits"] == hits


FORK = """
import os, sys
from cache_fabric import CacheRequest, create_cache_fabric

fabric = create_cache_fabric("memory", store=sys.argv[1]).sync
request = CacheRequest(model="m", messages=[{"role": "user", "content": "q"}])
fabric.store(fabric.lookup(request).ticket, "a")
fabric.lookup(request)
fabric.flush()
child = os.fork()
if child:  # first the child: SQLite loses what one writes while its parent closes the file
    os.waitpid(child, 0)
fabric.lookup(request)
fabric.close()
if not child:
    os._exit(0)
"""


def test_a_forked_child_does_not_count_again_what_its_parent_did(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'fabric.db'}"
    subprocess.run([sys.executable, "-c", FORK, store], check=True, timeout=100)
    with opened(store).sync as fabric:
        found = fabric.get_metrics()
    assert (found["hits"], found["misses"]) == (3, 1)
