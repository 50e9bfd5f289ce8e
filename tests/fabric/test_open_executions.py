"""A run tells of itself while it goes on; what a crash leaves of it can be seen."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.execution_draft import draft
from cache_fabric.open_execution import OpenExecution, started
from cache_fabric.records import Execution
from cache_fabric.stores.documents import Query


async def read(fabric: CacheFabric, run: OpenExecution) -> Execution:
    execution = await fabric.get_execution(run.execution_id)
    assert execution is not None
    return execution


async def events(fabric: CacheFabric) -> int:
    life = fabric._life()
    return await life.portal.run(lambda: life.parts.store.documents.count("e", Query()))


async def test_a_run_is_seen_from_its_start_to_its_end(any_fabric: CacheFabric) -> None:
    fabric = any_fabric
    run = fabric.start_execution(
        "support",
        input={"question": "Where is my parcel?"},
        agent="billing",
        conversation="c-1",
        contexts=["router@3"],
        tenant="acme",
        user="ann",
        tags=["eu"],
    )
    begun = await read(fabric, run)
    assert (begun.status, begun.complete, begun.gaps, begun.steps) == ("running", False, (), ())
    run.step("tool", "search", input="parcel", output=["found"], seconds=0.5, retries=2)
    await fabric.flush()
    run.step("model", "gpt", cache={"outcome": "hit", "tier": "exact", "entry_id": "e.1"})
    going = await read(fabric, run)
    assert [step["name"] for step in going.steps] == ["search", "gpt"]
    assert await events(fabric) == 2
    assert run.finish("On its way.", cost=0.25)
    ended = await read(fabric, run)
    assert (ended.status, ended.complete, ended.gaps) == ("success", True, ())
    assert ended.steps[0] == {
        "kind": "tool",
        "name": "search",
        "input": "parcel",
        "output": ["found"],
        "seconds": 0.5,
        "retries": 2,
    }
    assert (ended.output, ended.cost, ended.agent) == ("On its way.", 0.25, "billing")
    assert (ended.tenant, ended.user, ended.tags) == ("acme", "ann", ("eu",))
    assert ended.timestamp == begun.timestamp
    assert await events(fabric) == 0
    (found,) = await fabric.search_executions(outcome="hit", context="router@3", status="success")
    assert found == ended
    assert await fabric.search_executions(status="running") == []


async def test_a_short_run_is_one_document(any_fabric: CacheFabric) -> None:
    with any_fabric.start_execution("g") as run:
        for number in range(5):
            run.step("tool", f"{number}")
    execution = await read(any_fabric, run)
    assert [step["name"] for step in execution.steps] == list("01234")
    assert execution.complete
    assert await events(any_fabric) == 0


async def test_a_step_that_was_lost_is_a_gap(any_fabric: CacheFabric) -> None:
    run = any_fabric.start_execution("g")
    run.step("tool", "0")
    run.step("tool", "1", output=object())  # cannot be kept
    run.step("tool", "2")
    going = await read(any_fabric, run)
    assert [step["name"] for step in going.steps] == ["0", "2"]
    assert (going.complete, going.gaps) == (False, (1,))
    run.step("tool", "3", output=float("nan"))
    run.finish()
    ended = await read(any_fabric, run)
    assert (ended.complete, ended.gaps, ended.status) == (False, (1, 3), "success")
    assert (await any_fabric.get_metrics())["executions"]["dropped"] == 2


async def test_a_full_queue_is_a_gap_and_no_error() -> None:
    config = FabricConfig(queue_entries=3)
    async with create_cache_fabric("memory", policy=ExactOnly(), config=config) as fabric:
        run = fabric.start_execution("g")
        assert [run.step("tool", f"{n}") for n in range(5)] == [True, True, False, False, False]
        await fabric.flush()
        assert run.finish()
        execution = await read(fabric, run)
        assert (execution.complete, execution.gaps) == (False, (2, 3, 4))


async def test_an_exception_ends_a_run_as_an_error(fabric: CacheFabric) -> None:
    with pytest.raises(ZeroDivisionError), fabric.start_execution("g") as run:
        raise ZeroDivisionError("by 0")
    execution = await read(fabric, run)
    assert execution.status == "error"
    assert execution.error == {"type": "ZeroDivisionError", "message": "by 0"}


async def test_who_leaves_a_run_has_cancelled_it(fabric: CacheFabric) -> None:
    with pytest.raises(KeyboardInterrupt), fabric.start_execution("g") as run:
        raise KeyboardInterrupt
    assert (await read(fabric, run)).status == "cancelled"


async def test_only_the_first_end_counts_and_nothing_comes_after_it(fabric: CacheFabric) -> None:
    with fabric.start_execution("g") as run:
        assert run.finish("first", status="stopped")
        assert not run.finish("second")
        assert not run.step("tool", "late")
    execution = await read(fabric, run)
    assert (execution.status, execution.output, execution.steps) == ("stopped", "first", ())


async def test_a_step_that_is_too_large_is_cut_and_says_so(any_fabric: CacheFabric) -> None:
    cache = {"outcome": "hit", "entry_id": "e.1"}
    with any_fabric.start_execution("g") as run:
        run.step("tool", "big", input="x" * 70_000, cache=cache, seconds=1.5)
        run.step("tool", "odd", data={f"{n}": "y" * 900 for n in range(100)})
    big, odd = (await read(any_fabric, run)).steps
    assert "at most 65536" in big.pop("cut")
    assert big == {"kind": "tool", "name": "big", "cache": cache, "seconds": 1.5}
    assert "at most 65536" in odd.pop("cut")
    assert odd == {"kind": "tool", "name": "odd"}


async def test_many_large_steps_are_bounded_together(any_fabric: CacheFabric) -> None:
    with any_fabric.start_execution("g") as run:
        for number in range(40):
            run.step("tool", f"{number}", output="x" * 60_000)
            if number % 10 == 0:
                await any_fabric.flush()
    steps = (await read(any_fabric, run)).steps
    assert [step["name"] for step in steps] == [f"{number}" for number in range(40)]
    assert sum("cut" in step for step in steps) == 40 - 2**20 // 60_034
    assert await events(any_fabric) == 0


async def test_a_second_start_forgets_the_steps_of_the_first(any_fabric: CacheFabric) -> None:
    first = any_fabric.start_execution("g", execution_id="a")
    for number in range(3):
        first.step("tool", f"first {number}")
    await any_fabric.flush()
    second = any_fabric.start_execution("g", execution_id="a")
    second.step("tool", "second")
    assert [s["name"] for s in (await read(any_fabric, second)).steps] == ["second"]
    second.finish()
    execution = await read(any_fabric, second)
    assert [s["name"] for s in execution.steps] == ["second"]
    assert execution.complete
    assert await events(any_fabric) == 0


async def test_a_step_that_is_written_twice_is_one(any_fabric: CacheFabric) -> None:
    life = any_fabric._life()
    told: list[tuple[str, Any]] = []

    def twice(execution_id: str, event: Any) -> bool:
        told.append((execution_id, event))
        return life.tracking.queue.put(execution_id, event)

    fields = draft("a", "g", started(None, None, None, ()))
    run = OpenExecution(twice, fields)
    run.step("tool", "0")
    run.step("tool", "1")
    await any_fabric.flush()
    for execution_id, event in told:
        life.tracking.queue.put(execution_id, event)
    assert [s["name"] for s in (await read(any_fabric, run)).steps] == ["0", "1"]


async def test_threads_tell_of_one_run(fabric: CacheFabric) -> None:
    run = fabric.start_execution("g")

    def work() -> None:
        for number in range(100):
            run.step("tool", f"{number}")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    execution = await read(fabric, run)
    assert (len(execution.steps), execution.complete) == (400, True)


async def test_a_name_that_is_none_is_told_at_the_start(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError) as caught:
        fabric.start_execution("g", tenant="")
    assert caught.value.field == "tenant"


KILLED = """
import os, signal, sys
from cache_fabric import ExactOnly, create_cache_fabric
fabric = create_cache_fabric("local", path=sys.argv[1], policy=ExactOnly())
run = fabric.start_execution("g", execution_id="a", input="Where is my parcel?")
run.step("tool", "0")
run.step("tool", "1")
fabric.sync.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_told_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with create_cache_fabric("local", path=tmp_path, policy=ExactOnly()).sync as fabric:
        (found,) = fabric.search_executions(status="running")
        execution = fabric.get_execution("a")
        assert execution is not None
        assert execution.execution_id == found.execution_id == "a"
        assert [step["name"] for step in execution.steps] == ["0", "1"]
        assert (execution.complete, execution.gaps) == (False, ())
