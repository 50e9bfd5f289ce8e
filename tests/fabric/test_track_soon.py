"""`track_soon`: a run is kept without its caller waiting, and a loss is counted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broken_stores import DeadStore, HungStore
from cache_fabric import ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, ExecutionEvent

STATE = {"input": "a", "output": "b", "status": "success", "nodes_executed": ["n"]}


async def test_it_is_found_like_any_other_execution() -> None:
    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        assert fabric.track_soon("run-1", "graph", STATE, tags=["eu"])
        await fabric.flush()
        execution = await fabric.get_execution("run-1")
        assert execution is not None
        assert execution.state == STATE
        assert execution.graph_name == "graph"
        assert execution.tags == ("eu",)
        assert await fabric.search_executions("b", status="success") == [execution]
        assert (await fabric.get_metrics())["executions"] == {"kept": 1}


def test_closing_the_fabric_writes_what_waits(tmp_path: Path) -> None:
    with create_cache_fabric("local", path=tmp_path, policy=ExactOnly()).sync as fabric:
        for n in range(300):
            assert fabric.track_soon(f"run-{n}", "graph", STATE)
    with create_cache_fabric("local", path=tmp_path, policy=ExactOnly()).sync as fabric:
        assert len(fabric.search_executions(limit=1000)) == 300


NEVER_CLOSED = """
import sys
from cache_fabric import ExactOnly, create_cache_fabric
fabric = create_cache_fabric("local", path=sys.argv[1], policy=ExactOnly())
fabric.track_soon("run-1", "graph", {"status": "success"})
"""


def test_a_program_that_ends_without_closing_loses_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NEVER_CLOSED, str(tmp_path)], check=True)
    with create_cache_fabric("local", path=tmp_path, policy=ExactOnly()).sync as fabric:
        assert fabric.get_execution("run-1") is not None


def test_after_the_end_a_run_is_dropped_and_counted() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly())
    fabric.sync.close()
    assert not fabric.track_soon("run-1", "graph", STATE)
    assert fabric._metrics.totals().executions == {"dropped": 1}


async def test_a_dead_store_drops_and_counts() -> None:
    events: list[Event] = []
    store = DeadStore("dead")
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store, hooks=[events.append])
    assert fabric.track_soon("run-1", "graph", STATE)
    await fabric.flush()
    assert (await fabric.get_metrics())["executions"] == {"dropped": 1}
    (event,) = [event for event in events if isinstance(event, ExecutionEvent)]
    assert (event.outcome, event.execution_id, event.reason) == (
        "dropped",
        "run-1",
        "BackendUnavailable",
    )
    await fabric.aclose()


async def test_what_a_hung_store_leaves_waiting_at_the_end_is_counted() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=HungStore("hung"))
    for n in range(300):
        fabric.track_soon(f"run-{n}", "graph", STATE)
    life = fabric._life()
    await life.portal.run(lambda: life.close(patience=0.2))
    assert fabric._metrics.totals().executions == {"dropped": 300 - 100}
    await asyncio.to_thread(life.portal.close)
    assert fabric._metrics.totals().executions == {"dropped": 300}


async def test_overload_drops_and_counts_and_never_waits() -> None:
    config = FabricConfig(queue_entries=3)
    async with create_cache_fabric("memory", policy=ExactOnly(), config=config) as fabric:
        # The home loop is this one, so nothing is written before the next await.
        assert [fabric.track_soon(f"run-{n}", "g", STATE) for n in range(5)].count(True) == 3
        await fabric.flush()
        assert (await fabric.get_metrics())["executions"] == {"kept": 3, "dropped": 2}


@pytest.mark.parametrize(
    ("execution_id", "state"),
    [("", STATE), ("run\n1", STATE), ("run", {"nan": float("nan")}), ("run", {"x": "y" * 2**21})],
)
async def test_what_track_execution_would_refuse_is_dropped_alone(
    execution_id: str, state: dict[str, Any]
) -> None:
    async with create_cache_fabric("memory", policy=ExactOnly()) as fabric:
        fabric.track_soon(execution_id, "g", state)
        fabric.track_soon("fine", "g", STATE)
        await fabric.flush()
        assert (await fabric.get_metrics())["executions"] == {"kept": 1, "dropped": 1}
        assert await fabric.get_execution("fine") is not None
