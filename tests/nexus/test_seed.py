"""Code written against ``universal_agent_nexus.cache_fabric`` runs on ours as it is."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.errors import ManifestError, NotFound
from cache_fabric.nexus import (
    FabricAwareRuntime,
    ManifestRuntime,
    get_router_prompt_from_fabric,
    record_feedback_to_fabric,
    store_manifest_contexts,
    track_execution_with_fabric,
)
from nexus.running import model

TEXT = """
name: desk
version: "1.0"
graphs:
  - name: desk
    entry_node: triage
    nodes:
      - {id: triage, kind: router, label: Triage, router_ref: triage}
      - {id: search, kind: tool, label: Search, tool_ref: search}
    edges:
      - {from_node: triage, to_node: search, condition: {route: faq}}
routers:
  - name: triage
    strategy: llm
    system_message: Say faq or other.
tools:
  - name: search
    description: Find articles.
    protocol: http
    config: {endpoint: "https://search.invalid"}
    input_schema: {type: object, properties: {query: {type: string}}}
"""
PROMPT = "router:triage:system_prompt"


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory", policy=ExactOnly()) as made:
        yield made


@pytest.fixture
def ir(tmp_path: Path) -> Any:
    """A manifest as the real compiler hands it on: parsed, and through the passes."""
    path = tmp_path / "desk.yaml"
    path.write_text(TEXT)
    with warnings.catch_warnings():  # the package uses what FastAPI has deprecated
        warnings.simplefilter("ignore")
        compiler = pytest.importorskip("universal_agent_nexus.compiler")
        passes = pytest.importorskip("universal_agent_nexus.ir.pass_manager")
    manager = passes.create_default_pass_manager(passes.OptimizationLevel.DEFAULT)
    return manager.run(compiler.parse(str(path)))


async def test_the_ir_of_the_real_compiler_is_stored_under_the_same_keys(
    fabric: CacheFabric, ir: Any
) -> None:
    await store_manifest_contexts(ir, fabric, graph_name="desk")
    entries = {entry.key: entry for entry in await fabric.list_contexts()}
    assert {PROMPT, "tool:search:definition", "graph:desk:metadata"} <= set(entries)
    assert entries[PROMPT].value == "Say faq or other."
    assert entries["tool:search:definition"].value["name"] == "search"
    metadata = entries[PROMPT].metadata
    assert (metadata["type"], metadata["graph"]) == ("system_prompt", "desk")
    assert len({entry.revision for entry in entries.values()}) == 1


async def test_storing_again_what_has_not_changed_writes_nothing(
    fabric: CacheFabric, ir: Any
) -> None:
    for _ in range(2):
        await store_manifest_contexts(ir, fabric)
    assert {entry.version for entry in await fabric.list_contexts()} == {1}
    ir.routers[0].system_message = "Say faq, other or nothing."
    await store_manifest_contexts(ir, fabric)
    versions = {entry.key: entry.version for entry in await fabric.list_contexts()}
    assert versions.pop(PROMPT) == 2
    assert set(versions.values()) == {1}


async def test_a_graph_of_the_real_compiler_runs_with_the_prompt_that_was_stored_last(
    fabric: CacheFabric, ir: Any
) -> None:
    asked = model(lambda _: "faq")
    await store_manifest_contexts(ir, fabric)
    tools = {"search": lambda query: f"3 articles on {query}"}
    runtime = ManifestRuntime(ir, fabric, model=asked, tools=tools)
    await fabric.set_context(PROMPT, "Say faq, always.")
    after = await runtime.execute("run", {"question": "parking"})
    assert asked.prompts == ["Say faq, always."]
    assert after["output"] == "3 articles on parking"


async def test_a_plain_manifest_does_as_well(fabric: CacheFabric, tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(TEXT)
    await store_manifest_contexts(str(path), fabric)
    assert await get_router_prompt_from_fabric("triage", fabric) == "Say faq or other."


async def test_a_broken_manifest_stores_nothing(fabric: CacheFabric) -> None:
    with pytest.raises(ManifestError):
        await store_manifest_contexts({"name": "x", "graphs": 7, "routers": []}, fabric)
    assert await fabric.list_contexts() == []


async def test_a_prompt_is_the_current_one_or_the_default(fabric: CacheFabric) -> None:
    assert await get_router_prompt_from_fabric("triage", fabric) is None
    assert await get_router_prompt_from_fabric("triage", fabric, "own") == "own"
    for text in ("one", "two"):
        await fabric.set_context(PROMPT, text)
        assert await get_router_prompt_from_fabric("triage", fabric, "own") == text


async def test_a_result_with_messages_is_tracked_and_can_be_judged(fabric: CacheFabric) -> None:
    result = {"triage": {"messages": [AIMessage("faq")]}, "messages": [AIMessage("faq")]}
    await track_execution_with_fabric("run", "desk", result, fabric)
    run = await fabric.get_execution("run")
    assert run is not None
    assert run.graph_name == "desk"
    assert run.state["nodes_executed"] == ["triage"]
    assert run.state["output"]["messages"][0]["content"] == "faq"
    await record_feedback_to_fabric("run", {"status": "approved", "user_rating": 5}, fabric)
    run = await fabric.get_execution("run")
    assert run is not None
    assert [one.data["user_rating"] for one in run.feedback] == [5]
    with pytest.raises(NotFound):
        await record_feedback_to_fabric("nobody", {"user_rating": 5}, fabric)


OURS = (
    store_manifest_contexts,
    get_router_prompt_from_fabric,
    track_execution_with_fabric,
    record_feedback_to_fabric,
    FabricAwareRuntime.__init__,
    FabricAwareRuntime.execute,
    FabricAwareRuntime.record_feedback,
)


@pytest.mark.parametrize("ours", OURS, ids=lambda one: one.__qualname__)
def test_names_and_arguments_are_theirs(ours: Any) -> None:
    """Theirs are read and not imported: one of the files wants a PostgreSQL driver."""
    package = importlib.metadata.distribution("universal-agent-nexus")
    folder = Path(str(package.locate_file("universal_agent_nexus/cache_fabric")))
    theirs = {
        node.name: [arg.arg for arg in node.args.args]
        for file in ("nexus_integration.py", "runtime_integration.py")
        for node in ast.walk(ast.parse((folder / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    arguments = list(inspect.signature(ours).parameters)
    wanted = theirs[ours.__name__]
    assert arguments[: len(wanted)] == wanted


async def test_a_prompt_that_is_no_text_is_none(fabric: CacheFabric) -> None:
    await fabric.set_context("router:triage:system_prompt", {"text": "Route it."})
    assert await get_router_prompt_from_fabric("triage", fabric, "Own.") == "Own."
