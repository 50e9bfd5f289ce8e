"""Universal Agent manifests, as the compiler (``universal_agent_nexus``) and the kernel
(``universal_agent``) write them.

They differ in how a node names its router (``router_ref: triage`` or ``router: {name: triage}``),
in the words for strategies and triggers, and in where a human node keeps its text; all of it is
read without asking which of them wrote it. ``${VARIABLES}`` stay as written: what is published is
read by everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Router, Tool
from cache_fabric.nexus.readers._agent_graphs import GraphRead, check_subgraphs, read_graph
from cache_fabric.nexus.readers._agent_nodes import Defined
from cache_fabric.nexus.readers._agent_words import (
    keep_once,
    prompt,
    read_router,
    read_tool,
    said,
    tool_context,
)

__all__ = ["fits", "read", "read_document"]


def fits(given: Given) -> bool:
    """Whether it has a list of routers, or of graphs with an entry node."""
    root = given.mapping
    if root is None or root.find("agentspec_version") is not None:
        return False
    routers, graphs = root.find("routers"), root.find("graphs")
    if routers is not None and routers.is_list:
        return True
    if graphs is None or not graphs.is_list:
        return False
    return any(each.is_mapping and each.find("entry_node") for each in graphs.each())


def read(given: Given) -> Manifest:
    """Read a manifest; raises `ManifestError`."""
    return read_document(given.document, given, "universal-agent")


def read_document(root: Value, given: Given, form: str) -> Manifest:
    """Read a manifest whose document is at hand."""
    routers: dict[str, Router] = {}
    for each in root.each("routers"):
        keep_once(routers, read_router(each))
    tools: dict[str, Tool] = {}
    for each in root.each("tools"):
        keep_once(tools, read_tool(each))
    found = _graphs(root, Defined(routers, tools))
    contexts = list(_router_contexts(root, found))
    contexts += map(tool_context, tools.values())
    for graph in found:
        contexts += graph.contexts
        for router in graph.routers:
            keep_once(routers, router)
    contexts += _summary_prompts(root)
    return Manifest(
        format=form,
        name=given.named(root.text_or("name")),
        version=root.text_or("version"),
        contexts=tuple(sorted(contexts, key=lambda context: context.place.line or 0)),
        graphs=tuple(each.graph for each in found),
        routers=routers,
        tools=tools,
        file=given.file,
    )


def _graphs(root: Value, defined: Defined) -> list[GraphRead]:
    found: dict[str, GraphRead] = {}
    for value in root.each("graphs"):
        for each in read_graph(value, defined):
            if each.graph.name in found:
                raise value.error(f"expected one graph called {each.graph.name!r}")
            found[each.graph.name] = each
    check_subgraphs([each.graph for each in found.values()])
    return list(found.values())


def _router_contexts(root: Value, graphs: Sequence[GraphRead]) -> Iterator[ManifestContext]:
    users: dict[str, set[str]] = {}
    for graph in (each.graph for each in graphs):
        for node in graph.nodes:
            users.setdefault(node.ref or "", set()).add(graph.name)
    for value in root.each("routers"):
        if text := said(value, "system_message"):
            name = value.text("name")
            graph_names = users.get(name, set())
            yield prompt(
                f"router:{name}:system_prompt",
                text,
                kind="system_prompt",
                graph=graph_names.pop() if len(graph_names) == 1 else None,
                extra={"router_name": name},
            )


def _summary_prompts(root: Value) -> Iterator[ManifestContext]:
    for value in root.each("context_profiles"):
        if text := said(value, "summarization_prompt_template"):
            name = value.text("name")
            extra = {"profile_name": name}
            yield prompt(f"context_profile:{name}:summarization_prompt", text, extra=extra)
