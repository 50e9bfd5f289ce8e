"""Open Agent Spec in JSON or YAML: prompts of agents and nodes, tools, and what flows there are.

A tool is published as a model is told of it. Its URL, headers and connection are not: they may hold
secrets, and no answer depends on them. A flow moves data along edges of its own, which a `Graph`
cannot say, so its metadata is published and nothing of it is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Kind, Manifest, ManifestContext, Tool
from cache_fabric.nexus.placeholders import agent_spec_names
from cache_fabric.nexus.readers._agent_spec_check import check
from cache_fabric.nexus.readers._agent_spec_parts import Components, component_type
from cache_fabric.nexus.readers._agent_words import said, tool_context

__all__ = ["fits", "read"]


class _Text(NamedTuple):
    """Where a component has a text, and under which key it is published."""

    field: str
    key: str
    kind: Kind = "prompt"


_SUMMARY = _Text("summarization_instructions", "transform:{name}:summarization_instructions")
_TEXTS: Mapping[str, tuple[_Text, ...]] = {
    "Agent": (_Text("system_prompt", "agent:{name}:system_prompt", "system_prompt"),),
    "AgentSpecializationParameters": (
        _Text("additional_instructions", "agent:{name}:additional_instructions"),
    ),
    "MessageSummarizationTransform": (
        _SUMMARY,
        _Text("summarized_message_template", "transform:{name}:summarized_message_template"),
    ),
    "ConversationSummarizationTransform": (
        _SUMMARY,
        _Text(
            "summarized_conversation_template", "transform:{name}:summarized_conversation_template"
        ),
    ),
}
_NODE_TEXTS: Mapping[str, tuple[_Text, ...]] = {
    "LlmNode": (_Text("prompt_template", "node:{flow}:{name}:prompt"),),
    "InputMessageNode": (_Text("message", "node:{flow}:{name}:human_prompt"),),
    "OutputMessageNode": (_Text("message", "node:{flow}:{name}:message"),),
}
_PROTOCOLS = {
    "ServerTool": "server",
    "ClientTool": "client",
    "RemoteTool": "http",
    "MCPTool": "mcp",
    "MCPToolSpec": "mcp",
    "BuiltinTool": "builtin",
}


def fits(given: Given) -> bool:
    """Whether it is a component with a version, or nothing but referenced components."""
    root = given.mapping
    if root is None:
        return False
    keys = {key for key, _ in root.items()}
    is_component = "component_type" in keys and bool(
        keys & {"agentspec_version", "air_version", "$referenced_components"}
    )
    return is_component or keys == {"$referenced_components"}


def read(given: Given) -> Manifest:
    """Read a document.

    Raises:
        ManifestError: A name or text is missing, a reference names nothing, or ``pyagentspec`` is
            installed and finds it broken.
    """
    root = given.document
    components = Components(root)
    check(root, components)
    name = given.named(root.text_or("name"))
    tools = [_tool(each) for each in components if component_type(each) in _PROTOCOLS]
    flows = [each for each in components if component_type(each) == "Flow"]
    contexts = [_flow_context(each, components) for each in flows]
    contexts += [tool_context(tool) for tool in tools]
    contexts += [text for each in components for text in _texts(each, _TEXTS, None)]
    for node, flow in _owned(components, flows, name):
        contexts += _texts(node, _NODE_TEXTS, flow)
    return Manifest(
        format="agent-spec",
        name=name,
        contexts=tuple(sorted(contexts, key=lambda context: context.place.line or 0)),
        tools={tool.name: tool for tool in tools},
        file=given.file,
    )


def _owned(components: Components, flows: list[Value], name: str) -> Iterator[tuple[Value, str]]:
    """Yield every node with its flow; nodes of no flow are the document's own."""
    owned: set[str] = set()
    for flow in flows:
        for each in flow.each("nodes"):
            node = components.resolved(each)
            if node is not None:
                owned.add(node.field)
                yield node, flow.text("name")
    for each in components:
        if component_type(each) in _NODE_TEXTS and each.field not in owned:
            yield each, name


def _texts(
    value: Value, table: Mapping[str, tuple[_Text, ...]], flow: str | None
) -> Iterator[ManifestContext]:
    for text in table.get(component_type(value), ()):
        found = said(value, text.field)
        if found is None:
            continue
        name, written = value.text("name"), found.as_text()
        yield ManifestContext(
            key=text.key.format(name=name, flow=flow),
            value=written,
            kind=text.kind,
            graph=flow,
            variables=agent_spec_names(written),
            place=found.place,
            extra=_about(value, name),
        )


def _about(value: Value, name: str) -> dict[str, Any]:
    """Return what else is said of a text: its component, and the types of what fills it."""
    inputs = _schema(value, "inputs")
    about = {"component": component_type(value), "component_name": name}
    return about if inputs is None else {**about, "inputs": inputs}


def _flow_context(flow: Value, components: Components) -> ManifestContext:
    name = flow.text("name")
    start = components.resolved(flow.need("start_node"))
    nodes = [components.resolved(each) for each in flow.each("nodes")]
    return ManifestContext(
        key=f"graph:{name}:metadata",
        value={
            "name": name,
            "entry_node": None if start is None else start.text("name"),
            "node_count": len(nodes),
            "description": flow.text_or("description"),
        },
        kind="graph_metadata",
        graph=name,
        place=flow.place,
        extra={"graph_name": name},
    )


def _tool(value: Value) -> Tool:
    name = value.text("name")
    return Tool(
        name=name,
        key=f"tool:{name}:definition",
        description=value.text_or("description") or "",
        protocol=_PROTOCOLS[component_type(value)],
        input_schema=_schema(value, "inputs"),
        output_schema=_schema(value, "outputs"),
        place=value.place,
    )


def _schema(value: Value, key: str) -> dict[str, Any] | None:
    """Return a list of titled schemas as the schema of one object."""
    titled = {each.text("title"): each.plain() for each in value.each(key)}
    if not titled:
        return None
    required = [title for title, schema in titled.items() if "default" not in schema]
    properties = {
        title: {word: meant for word, meant in schema.items() if word != "title"}
        for title, schema in titled.items()
    }
    schema = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema
