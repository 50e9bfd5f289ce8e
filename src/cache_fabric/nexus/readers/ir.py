"""Objects of ``universal_agent_nexus`` (``ManifestIR``) and ``universal_agent``
(``AgentManifest``), known by their attributes: neither package is imported.

An object has no lines, and no more than its parser kept: that of ``universal_agent_nexus`` 3.2
leaves out the ``config`` of nodes and the schemas of tools. The file has it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import load_data
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.readers.universal_agent import read_document

__all__ = ["fits", "read"]

_LISTS = ("graphs", "routers", "tools", "nodes", "edges", "context_profiles", "model_candidates")
_WORDS = (
    "name",
    "version",
    "description",
    "entry_node",
    "id",
    "kind",
    "label",
    "config",
    "router_ref",
    "router",
    "tool_ref",
    "tool",
    "graph_ref",
    "graph",
    "human_prompt",
    "inputs",
    "output_map",
    "from_node",
    "to_node",
    "condition",
    "trigger",
    "expression",
    "event_name",
    "route",
    "strategy",
    "system_message",
    "default_model",
    "summarization_prompt_template",
    "protocol",
    "input_schema",
    "output_schema",
)


def fits(given: Given) -> bool:
    """Whether it is an object with graphs, routers and tools."""
    data = given.data
    return not isinstance(data, Mapping) and all(
        hasattr(data, word) for word in ("graphs", "routers", "tools")
    )


def read(given: Given) -> Manifest:
    """Read an object; raises `ManifestError`."""
    if not fits(given):
        raise ManifestError("expected an object with graphs, routers and tools", file=given.file)
    return read_document(load_data(_said(given.data)), given, "nexus-ir")


def _said(value: Any) -> Any:
    """Return plain data; of an object, what it says in words that a manifest has."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float | Mapping):
        return value
    if isinstance(value, list | tuple):
        return [_said(each) for each in value]
    words = {word: _said(getattr(value, word, None)) for word in (*_LISTS, *_WORDS)}
    return {word: each for word, each in words.items() if each not in (None, "", [], {})} or value
