"""A foreign runtime runs as before; its runs are tracked, its prompts are those of the fabric."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, SystemMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.langchain import cached
from cache_fabric.nexus import FabricAwareRuntime, ManifestRuntime
from nexus.running import TRIAGE, model

KEY = "router:triage:system_prompt"


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory", policy=ExactOnly()) as made:
        yield made


class Plain:
    """A runtime that takes an id and an input, and no more."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def execute(self, execution_id: str, input_data: dict[str, Any]) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"triage": {"risk": "low"}, "messages": [AIMessage("low")]}


class OnLangGraph:
    """As ``LangGraphRuntime``: a node looks its router up in the manifest when it is called."""

    graph_name = "desk"

    def __init__(self, manifest: Any, chat: Any) -> None:
        async def triage(state: MessagesState) -> dict[str, Any]:
            prompt = SystemMessage(manifest.routers[0].system_message)
            return {"messages": [await chat.ainvoke([prompt, *state["messages"]])]}

        builder: Any = StateGraph(MessagesState)
        builder.add_node("triage", triage)
        builder.add_edge(START, "triage")
        builder.add_edge("triage", END)
        self.graph = builder.compile()

    async def execute(
        self, execution_id: str, input_data: dict[str, Any], config: Any = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = await self.graph.ainvoke(input_data, config)
        return result


async def state_of(fabric: CacheFabric, execution_id: str) -> Any:
    await fabric.flush()
    run = await fabric.get_execution(execution_id)
    assert run is not None
    return run


async def test_input_and_result_of_a_plain_runtime_are_tracked(fabric: CacheFabric) -> None:
    result = await FabricAwareRuntime(Plain(), fabric).execute("run", {"text": "Hi"})
    assert isinstance(result["messages"][0], AIMessage)
    run = await state_of(fabric, "run")
    assert (run.graph_name, run.state["status"]) == ("main", "success")
    assert run.state["input"] == {"text": "Hi"}
    assert run.state["nodes_executed"] == ["triage"]
    assert run.state["output"]["messages"][0]["content"] == "low"


async def test_an_error_comes_out_as_it_is_and_is_tracked(fabric: CacheFabric) -> None:
    error = RuntimeError("a secret")
    with pytest.raises(RuntimeError) as raised:
        await FabricAwareRuntime(Plain(error), fabric).execute("run", {}, graph_name="desk")
    assert raised.value is error
    run = await state_of(fabric, "run")
    assert (run.graph_name, run.state["status"]) == ("desk", "error")
    assert run.state["error"] == {"type": "RuntimeError"}


async def test_a_runtime_of_langgraph_is_tracked_step_by_step_and_hears_of_a_publish(
    fabric: CacheFabric,
) -> None:
    manifest = SimpleNamespace(routers=[SimpleNamespace(name="triage", system_message="Own.")])
    asked = model(lambda _: "low")
    foreign = OnLangGraph(manifest, cached(asked, fabric))
    runtime = FabricAwareRuntime(foreign, fabric, manifest)
    for number, text in enumerate([None, "First.", "Second.", None, {"no": "text"}]):
        if text is not None:
            await fabric.set_context(KEY, text)
        await runtime.execute(f"run-{number}", {"messages": [("user", "Hi")]})
    assert asked.prompts == ["Own.", "First.", "Second."]
    run = await state_of(fabric, "run-3")
    assert (run.graph_name, run.state["nodes_executed"]) == ("desk", ["triage"])
    assert (run.state["hits"], run.state["misses"]) == (1, 0)


async def test_feedback_is_recorded(fabric: CacheFabric) -> None:
    runtime = FabricAwareRuntime(Plain(), fabric)
    await runtime.execute("run", {})
    await runtime.record_feedback("run", {"user_rating": 5})
    assert [one.data["user_rating"] for one in (await state_of(fabric, "run")).feedback] == [5]


async def test_our_own_runtime_is_tracked_once(fabric: CacheFabric) -> None:
    own = ManifestRuntime(TRIAGE, fabric, model=model(lambda _: "praise"))
    await FabricAwareRuntime(own, fabric).execute("run", {"input": "Good!"})
    (run,) = await fabric.search_executions()
    assert (run.execution_id, run.state["misses"]) == ("run", 1)


async def test_a_closed_fabric_stops_no_runtime() -> None:
    fabric = create_cache_fabric("memory")
    manifest = SimpleNamespace(routers=[SimpleNamespace(name="triage", system_message="Own.")])
    await fabric.aclose()
    runtime = FabricAwareRuntime(Plain(), fabric, manifest)
    assert "triage" in await runtime.execute("run", {})


def test_what_cannot_execute_is_no_runtime(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError, match=r"runtime: expected execute\(\), got object"):
        FabricAwareRuntime(object(), fabric)
