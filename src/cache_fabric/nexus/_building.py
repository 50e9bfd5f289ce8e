"""A graph of a manifest as a LangGraph: which act each node has, and what cannot be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.constants import TAG_HIDDEN
from langgraph.graph import END, START, StateGraph

from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus._models import Models
from cache_fabric.nexus._nodes import (
    Act,
    ask_model,
    ask_person,
    nothing,
    run_graph,
    run_task,
    step,
    use_tool,
)
from cache_fabric.nexus._state import State
from cache_fabric.nexus._texts import Texts
from cache_fabric.nexus.manifest import Graph, Manifest, Node, Place
from cache_fabric.nexus.routing import Ways

__all__ = ["Builder", "graph_named", "keys_of", "reachable"]

_PIN = "cache_fabric_pin"
_TEXTS = ("prompt", "system_prompt", "human_prompt")
_BY_MODEL = ("llm", "hybrid")


def graph_named(manifest: Manifest, name: str | None) -> Graph:
    """Return the graph to run: the one that is named; else ``main``; else the only one that no
    other graph calls.

    Raises:
        ValidationError: There is none, or it is not clear which.
    """
    by_name = {graph.name: graph for graph in manifest.graphs}
    if name is None and "main" not in by_name:
        called = {node.ref for graph in manifest.graphs for node in graph.nodes if _calls(node)}
        left = [graph for graph in manifest.graphs if graph.name not in called]
        if len(left) == 1:
            return left[0]
    wanted = "main" if name is None else name
    if wanted not in by_name:
        names = ", ".join(by_name) or "a manifest that has graphs"
        raise ValidationError("graph", f"expected one of {names}, got {name!r:.80}")
    return by_name[wanted]


def reachable(manifest: Manifest, graph: Graph) -> list[Graph]:
    """Return a graph and all that it calls, each once.

    Raises:
        ManifestError: One is not there, or calls itself.
    """
    by_name = {one.name: one for one in manifest.graphs}
    found: dict[str, Graph] = {}

    def walk(one: Graph, around: tuple[str, ...]) -> None:
        for node in filter(_calls, one.nodes):
            inner = by_name.get(node.ref or "")
            if inner is None:
                raise _broken(node.place, f"a graph that is there, got {node.ref!r:.80}")
            if inner.name in (*around, one.name):
                raise _broken(node.place, f"a graph that does not lead back to {inner.name!r}")
            if inner.name not in found:
                walk(inner, (*around, one.name))
        found[one.name] = one

    walk(graph, ())
    return list(found.values())


def keys_of(manifest: Manifest, graphs: Iterable[Graph]) -> Iterator[str]:
    """Yield the keys of all contexts that the nodes of graphs may read."""
    for graph in graphs:
        for node in graph.nodes:
            yield from (_own_key(graph, node, what) for what in _TEXTS)
            router = manifest.routers.get(node.ref or "")
            if router is not None and router.key is not None:
                yield router.key


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Makes LangGraphs of a manifest's graphs.

    Attributes:
        keys: Of the contexts that there are, and that are texts.
    """

    manifest: Manifest
    models: Models
    texts: Texts
    keys: frozenset[str]
    tools: Mapping[str, BaseTool]
    tasks: Mapping[str, Callable[[dict[str, Any]], Any]]
    _inner: dict[str, Any] = field(default_factory=dict)

    def build(self, graph: Graph, *, pins: bool = False, checkpointer: Any = None) -> Any:
        """Return a graph, compiled; ``pins`` adds the step that reads its texts as it begins."""
        builder: StateGraph[Any] = StateGraph(State)
        known = {END, *(node.id for node in graph.nodes)}
        for edge in graph.edges:
            if not {edge.source, edge.target} <= known:
                raise _broken(edge.place, f"nodes of graph {graph.name!r} at both ends")
        if graph.entry_node not in known:
            raise _broken(graph.place, f"an entry node of graph {graph.name!r}")
        for node in graph.nodes:
            ways = Ways(node.id, [edge for edge in graph.edges if edge.source == node.id])
            act = self._act(graph, node, ways)
            try:
                builder.add_node(node.id, step(node, act, ways), destinations=(*ways.targets, END))
            except ValueError as error:
                raise _broken(node.place, "another id for a node") from error
        if pins:
            builder.add_node(_PIN, self._pin)
            builder.add_edge(START, _PIN)
        builder.add_edge(_PIN if pins else START, graph.entry_node)
        made = builder.compile(checkpointer=checkpointer, name=graph.name)
        if pins:
            made.nodes[_PIN].tags = [TAG_HIDDEN]  # it is no node of the manifest
        return made

    async def _pin(self, state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        return await self.texts.pinned(config)

    def _act(self, graph: Graph, node: Node, ways: Ways) -> Act:
        if node.kind == "tool":
            return self._tool(node)
        if node.kind == "subgraph":
            return run_graph(self._called(node.ref))
        if node.kind == "human":
            keys = self._present(_own_key(graph, node, "human_prompt"))
            return ask_person(self.texts, keys, graph.name, node)
        if node.id in self.tasks:
            return run_task(self.tasks[node.id])
        return self._asking(graph, node, ways)

    def _asking(self, graph: Graph, node: Node, ways: Ways) -> Act:
        keys = self._present(
            _own_key(graph, node, "system_prompt"), _own_key(graph, node, "prompt")
        )
        name, strategy = node.config.get("model") or node.config.get("llm"), "llm"
        if node.ref is not None:
            router = self.manifest.routers.get(node.ref)
            if router is None:
                raise _broken(node.place, f"a router that is there, got {node.ref!r:.80}")
            keys, strategy = self._present(router.key), router.strategy
            name = router.default_model or next(iter(router.model_candidates), None)
        if not keys or strategy not in _BY_MODEL:
            return nothing
        return ask_model(self.models, self.texts, keys, name, ways)

    def _present(self, *keys: str | None) -> list[str]:
        return [key for key in keys if key is not None and key in self.keys]

    def _called(self, name: str | None) -> Any:
        if name not in self._inner:
            graph = next(one for one in self.manifest.graphs if one.name == name)
            self._inner[graph.name] = self.build(graph)
        return self._inner[name or ""]

    def _tool(self, node: Node) -> Act:
        declared = self.manifest.tools.get(node.ref or "")
        if declared is None:
            raise _broken(node.place, f"a tool that is there, got {node.ref!r:.80}")
        if declared.name not in self.tools:
            raise ValidationError("tools", f"expected {declared.name!r}, which {node.id!r} calls")
        return use_tool(self.tools[declared.name], node, declared)


def _own_key(graph: Graph, node: Node, what: str) -> str:
    return f"node:{graph.name}:{node.id}:{what}"


def _calls(node: Node) -> bool:
    return node.kind == "subgraph"


def _broken(place: Place, expected: str) -> ManifestError:
    return ManifestError(
        f"expected {expected}", file=place.file, line=place.line, field=place.field
    )
