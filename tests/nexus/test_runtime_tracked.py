"""Every run of a manifest's graph is an execution, without a line in the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.instrumentation.events import LookupEvent
from cache_fabric.nexus.manifest import Node
from cache_fabric.nexus.runtime import ManifestRuntime
from nexus.running import TRIAGE, edge, graph, manifest, model, router, task

KEY = "router:triage:system_prompt"
PRICES = {"fake-1": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}}


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory", policy=ExactOnly(), prices=PRICES) as made:
        yield made


async def state_of(fabric: CacheFabric, execution_id: str) -> dict[str, Any]:
    await fabric.flush()
    execution = await fabric.get_execution(execution_id)
    assert execution is not None
    return dict(execution.state)


@pytest.mark.parametrize("pin", ["live", "run"])
async def test_nodes_versions_costs_and_cache_outcomes_are_tracked(
    fabric: CacheFabric, pin: Any
) -> None:
    await fabric.set_context(KEY, "Say it.")
    await fabric.set_context(KEY, "Say praise or complaint!")
    asked = model(lambda _: "praise")
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked, pin=pin)
    for name in ("one", "two"):
        await runtime.execute(name, {"input": "Good!"}, user="ann")
    one, two = [await state_of(fabric, name) for name in ("one", "two")]
    for state in (one, two):
        assert state["nodes_executed"] == ["triage", "praise"]
        assert state["contexts"] == [{"key": KEY, "version": 2, "behaviour": 2}]
        assert (state["status"], state["input"]) == ("success", {"input": "Good!"})
        assert set(state["output"]) == {"input", "output", "node_outputs"}
    cost = 3 * 0.001 + 2 * 0.002
    assert (one["hits"], one["misses"], one["cost"]) == (0, 1, pytest.approx(cost))
    assert (two["hits"], two["misses"], two["cost"]) == (1, 0, 0)
    assert two["saved_cost"] == pytest.approx(cost)
    assert (one["thread_id"], two["thread_id"]) == ("one", "two")
    found = await fabric.search_executions(graph="main")
    assert {(run.execution_id, run.user) for run in found} == {("one", "ann"), ("two", "ann")}


async def test_feedback_on_a_run_acts_on_its_answer(fabric: CacheFabric) -> None:
    asked = model(lambda _: "praise")
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    await fabric.set_context(KEY, "Say it.")
    await runtime.execute("one", {"input": "Good!"})
    await runtime.record_feedback("one", {"user_rating": 1})
    await runtime.execute("two", {"input": "Good!"})
    assert len(asked.calls) == 2
    with pytest.raises(NotFound):
        await runtime.record_feedback("nobody", {"user_rating": 1})


async def test_a_failed_run_is_tracked_as_one(fabric: CacheFabric) -> None:
    runtime = ManifestRuntime(TRIAGE, fabric, model=model(lambda _: "Hm."))
    with pytest.raises(ValidationError):
        await runtime.execute("one", {"input": "Good!"})
    state = await state_of(fabric, "one")
    assert (state["status"], state["error"]["type"]) == ("error", "ValidationError")


async def test_a_run_that_waits_and_what_comes_after_are_two_executions_of_a_thread(
    fabric: CacheFabric,
) -> None:
    nodes = [router("triage"), Node(id="person", kind="human"), task("end")]
    edges = [edge("triage", "person"), edge("person", "end")]
    drawn = manifest(graph(nodes, edges), prompts={"triage": "T"})
    runtime = ManifestRuntime(drawn, fabric, model=model(), checkpointer=InMemorySaver())
    await runtime.execute("one", {"input": "Hi"})
    await runtime.execute("one", Command(resume="yes"))
    state = await state_of(fabric, "one")
    assert (state["status"], state["nodes_executed"]) == ("interrupted", ["triage", "person"])
    both = await fabric.search_executions(graph="main")
    assert [run.state["thread_id"] for run in both] == ["one", "one"]
    assert both[0].state["nodes_executed"] == ["person", "end"]


async def test_a_run_of_the_graph_itself_is_tracked_too(fabric: CacheFabric) -> None:
    runtime = ManifestRuntime(TRIAGE, fabric, model=model(lambda _: "praise"))
    await runtime.graph.ainvoke({"input": "Good!"})
    (run,) = await fabric.search_executions(graph="main")
    assert run.state["nodes_executed"] == ["triage", "praise"]


async def test_lookups_are_told_by_graph() -> None:
    events: list[Any] = []
    async with create_cache_fabric("memory", policy=ExactOnly(), hooks=[events.append]) as fabric:
        runtime = ManifestRuntime(TRIAGE, fabric, model=model(lambda _: "praise"))
        for name in ("one", "two"):
            await runtime.execute(name, {"input": "Good!"})
    told = [(one.outcome, one.graph) for one in events if isinstance(one, LookupEvent)]
    assert told == [("miss", "main"), ("hit", "main")]


@pytest.mark.parametrize("name", ["execution_id", "tenant", "user", "input_data"])
async def test_an_id_that_is_none_is_told(fabric: CacheFabric, name: str) -> None:
    runtime = ManifestRuntime(TRIAGE, fabric, model=model())
    given: dict[str, Any] = {"execution_id": "run", "input_data": {"input": "Hi"}, name: "\n"}
    with pytest.raises(ValidationError, match=name):
        await runtime.execute(**given)
