"""What a manifest of any format says: its texts and tools as contexts, and its graphs.

A reader makes a `Manifest` and does nothing else. What only some formats have (graphs, routers,
tools to run) is empty in the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "END",
    "Edge",
    "Graph",
    "Kind",
    "Manifest",
    "ManifestContext",
    "Node",
    "NodeKind",
    "Place",
    "Router",
    "Tool",
]

Kind = Literal["system_prompt", "prompt", "tool_definition", "graph_metadata"]
NodeKind = Literal["task", "router", "tool", "subgraph", "human"]
END = "__end__"  # target of an edge that ends the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands in a manifest.

    Attributes:
        file: As it was named, ``None`` for a manifest that is no file.
        line: From 1, ``None`` where it is not known.
        field: As ``graphs[0].nodes[2].config.prompt``.
    """

    file: str | None = None
    line: int | None = None
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestContext:
    """One text or definition that is published under a key of its own.

    Attributes:
        key: As ``router:triage:system_prompt``.
        value: A text, or plain data for tools and graphs.
        kind: What it is; ``metadata["type"]`` of the context.
        graph: Name of the graph it belongs to, if to one.
        variables: Names of the placeholders in the text, in order of appearance.
        place: Where it stands.
        extra: What else the format says of it, as ``{"router_name": "triage"}``: plain data.
    """

    key: str
    value: str | Mapping[str, Any]
    kind: Kind
    graph: str | None = None
    variables: tuple[str, ...] = ()
    place: Place = Place()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a graph; ``ref`` is the name of its router, tool or subgraph."""

    id: str
    kind: NodeKind
    ref: str | None = None
    label: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold credentials
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one node to another.

    Attributes:
        source: Id of a node.
        target: Id of a node, or `END`.
        trigger: ``success``, ``error``, ``always``, or another of the format's.
        expression: Over the state, as ``risk > 0.5``; never evaluated as Python.
        route: What the router has to answer for this way to be taken.
        place: Where it stands.
    """

    source: str
    target: str
    trigger: str = "success"
    expression: str | None = None
    route: str | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes and edges; runs from ``entry_node`` on."""

    name: str
    entry_node: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Chooses the way on. ``key`` is the context of its prompt, ``None`` if it has none."""

    name: str
    strategy: str = "llm"
    key: str | None = None
    system_message: str | None = None
    default_model: str | None = None
    model_candidates: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold credentials
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that nodes call. ``key`` is the context of its definition."""

    name: str
    key: str
    description: str = ""
    protocol: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold credentials
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest says.

    Attributes:
        format: Name of its format, as in `formats.FORMATS`.
        name: Its own, else the file's stem; versions of one manifest have one name.
        version: Its own, as text.
        contexts: All that is published, no key twice, in the order of the file.
        graphs: To run; subgraphs as well.
        routers: By name, no name twice.
        tools: By name, no name twice.
        file: As it was named.
        is_named: False where its name is only that of its file or folder.
    """

    format: str
    name: str
    version: str | None = None
    contexts: tuple[ManifestContext, ...]
    graphs: tuple[Graph, ...] = ()
    routers: Mapping[str, Router] = field(default_factory=dict)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    file: str | None = None
    is_named: bool = True
