"""Graphs of a Universal Agent manifest: nodes, edges, and the graphs that stand inside nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from cache_fabric.nexus._checks import at
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import END, Edge, Graph, ManifestContext, Router
from cache_fabric.nexus.readers._agent_nodes import Defined, NodeRead, read_node

__all__ = ["GraphRead", "check_subgraphs", "read_graph"]

_TRIGGERS = ("success", "error", "always", "timeout", "approval", "rejection", "custom")
_ENDS = ("end", "END", END)


@dataclass(frozen=True, slots=True)
class GraphRead:
    """A graph, its contexts, and the routers whose text stands in its nodes."""

    graph: Graph
    contexts: list[ManifestContext]
    routers: list[Router]


def read_graph(value: Value, defined: Defined) -> Iterator[GraphRead]:
    """Read a graph, and after it every graph that is defined inside one of its nodes.

    Raises:
        ManifestError: Broken, or a node, edge or reference that leads nowhere.
    """
    name = value.text_or("name") or "main"
    nodes: dict[str, NodeRead] = {}
    for each in value.each("nodes"):
        read = read_node(each, name, defined)
        if read.node.id in nodes:
            raise each.error(f"expected each id once, {read.node.id!r} is there above", "id")
        nodes[read.node.id] = read
    entry = value.text("entry_node")
    if entry not in nodes:
        raise value.need("entry_node").error(
            f"expected a node of this graph, there is no {entry!r}"
        )
    said = {key: value.text_or(key) for key in ("version", "description")}
    extra = {key: text for key, text in said.items() if text}
    graph = Graph(
        name=name,
        entry_node=entry,
        nodes=tuple(each.node for each in nodes.values()),
        edges=tuple(_edge(each, nodes) for each in value.each("edges")),
        extra=extra,
        place=value.place,
    )
    contexts = [context for each in nodes.values() for context in each.contexts]
    routers = [each.router for each in nodes.values() if each.router]
    yield GraphRead(graph, [_metadata(graph), *contexts], routers)
    for each in value.each("nodes"):
        inside = each.find("graph")
        if inside is not None and inside.is_mapping and inside.find("nodes"):
            yield from read_graph(inside, defined)


def check_subgraphs(graphs: Collection[Graph]) -> None:
    """Raise `ManifestError` if a node names a graph that is not there."""
    names = {graph.name for graph in graphs}
    for graph in graphs:
        for node in graph.nodes:
            if node.kind == "subgraph" and node.ref not in names:
                there = f"there is no {node.ref!r}" if node.ref else "none is named"
                raise at(node.place, f"expected a graph of this manifest, {there}")


def _metadata(graph: Graph) -> ManifestContext:
    about: dict[str, Any] = {
        "name": graph.name,
        "entry_node": graph.entry_node,
        "node_count": len(graph.nodes),
    }
    return ManifestContext(
        key=f"graph:{graph.name}:metadata",
        value=about | dict(graph.extra),
        kind="graph_metadata",
        graph=graph.name,
        place=graph.place,
        extra={"graph_name": graph.name},
    )


def _edge(value: Value, nodes: Collection[str]) -> Edge:
    condition = value.find("condition")
    return Edge(
        source=_end(value, "from_node", nodes),
        target=_end(value, "to_node", nodes),
        trigger=_trigger(condition) if condition else "success",
        expression=condition.text_or("expression") if condition else None,
        route=condition.text_or("route") if condition else None,
        place=value.place,
    )


def _end(value: Value, key: str, nodes: Collection[str]) -> str:
    name = value.text(key)
    if name in nodes:
        return name
    if key == "to_node" and name in _ENDS:
        return END
    raise value.need(key).error(f"expected a node of this graph, there is no {name!r}")


def _trigger(condition: Value) -> str:
    trigger = condition.text_or("trigger") or "success"
    if trigger not in _TRIGGERS:
        raise condition.need("trigger").error(f"expected one of {', '.join(_TRIGGERS)}")
    event = condition.text_or("event_name") if trigger == "custom" else None
    return f"custom:{event}" if event else trigger
