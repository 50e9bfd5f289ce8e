"""Nodes of a Universal Agent graph, with the texts that stand in them.

The text of a node is ``node:{graph}:{id}:prompt``: of a router its inline ``system_message``, of
any other its ``prompt``. A router node with a text of its own gets a router of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Kind, ManifestContext, Node, NodeKind, Router, Tool
from cache_fabric.nexus.readers._agent_words import prompt, said

__all__ = ["Defined", "NodeRead", "read_node"]

_KINDS: tuple[NodeKind, ...] = get_args(NodeKind)
_REFERENCES = {"router": "router", "tool": "tool", "subgraph": "graph"}


@dataclass(frozen=True, slots=True)
class Defined:
    """What nodes can name."""

    routers: Mapping[str, Router]
    tools: Mapping[str, Tool]


@dataclass(slots=True)
class NodeRead:
    """A node, its texts, and its router if the text of one stands in it."""

    node: Node
    contexts: list[ManifestContext] = field(default_factory=list)
    router: Router | None = None


def read_node(value: Value, graph: str, defined: Defined) -> NodeRead:
    """Read a node; raises `ManifestError`."""
    id_ = value.text("id")
    kind = _kind(value)
    ref = None
    if kind in _REFERENCES:
        ref = _reference(value, _REFERENCES[kind], defined)
    node = Node(
        id=id_,
        kind=kind,
        ref=ref,
        label=value.text_or("label") or id_,
        config=_config(value),
        place=value.place,
    )
    read = NodeRead(node, list(_texts(value, node, graph)))
    if kind == "router" and read.contexts:
        read.router = _own_router(read.contexts[0], node, graph, defined)
        read.node = replace(node, ref=read.router.name)
    return read


def _kind(value: Value) -> NodeKind:
    written = value.text_or("kind", "task")
    for kind in _KINDS:
        if kind == written:
            return kind
    raise value.need("kind").error(f"expected one of {', '.join(_KINDS)}")


def _reference(value: Value, word: str, defined: Defined) -> str | None:
    found = value.find(f"{word}_ref") or value.find(word)
    if found is None:
        return None
    if found.is_mapping:
        found = found.need("name")
    name = found.as_text()
    known: Mapping[str, Any] | None = {"router": defined.routers, "tool": defined.tools}.get(word)
    if known is not None and name not in known:
        raise found.error(f"expected a {word} of this manifest, there is no {name!r}")
    return name


def _config(value: Value) -> dict[str, Any]:
    config = value.mapping("config")
    for key in ("inputs", "output_map"):
        if value.find(key) is not None:
            config[key] = value.mapping(key)
    return config


def _texts(value: Value, node: Node, graph: str) -> Iterator[ManifestContext]:
    config = value.find("config")
    key, extra = f"node:{graph}:{node.id}", {"node_id": node.id}
    system = said(config, "system_message") if config else None
    text = said(config, "prompt") if config else None
    if node.kind == "router":
        if system and text:
            raise system.error("expected this or prompt: a router has one text")
        text = system or text
    elif system:
        yield prompt(f"{key}:system_prompt", system, kind="system_prompt", graph=graph, extra=extra)
    if text:
        kind: Kind = "system_prompt" if node.kind == "router" else "prompt"
        yield prompt(f"{key}:prompt", text, kind=kind, graph=graph, extra=extra)
    for holder in filter(None, (value, config)):
        if human := said(holder, "human_prompt"):
            yield prompt(f"{key}:human_prompt", human, graph=graph, extra=extra)


def _own_router(context: ManifestContext, node: Node, graph: str, defined: Defined) -> Router:
    named = defined.routers.get(node.ref or "")
    base = named or Router(name="")
    models = (node.config.get(key) for key in ("default_model", "model", "llm"))
    own = next((model for model in models if isinstance(model, str)), None)
    return replace(
        base,
        name=f"{graph}:{node.id}",
        key=context.key,
        system_message=str(context.value),
        default_model=own or base.default_model,
        config={**base.config, **node.config},
        place=context.place,
    )
