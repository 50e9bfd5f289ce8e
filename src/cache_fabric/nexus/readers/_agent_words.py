"""Routers, tools and texts of a Universal Agent manifest, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from cache_fabric.nexus._checks import at
from cache_fabric.nexus.credentials import without_credentials
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Kind, ManifestContext, Router, Tool
from cache_fabric.template import variables

__all__ = ["keep_once", "prompt", "read_router", "read_tool", "said", "tool_context"]

_STRATEGIES = ("llm", "function", "switch", "rule", "hybrid")
_Defined = TypeVar("_Defined", Router, Tool)


def said(value: Value, key: str) -> Value | None:
    """Return a text that says something; an empty one says nothing."""
    text = value.find(key)
    return text if text is not None and text.as_text().strip() else None


def prompt(
    key: str,
    text: Value,
    *,
    kind: Kind = "prompt",
    graph: str | None = None,
    extra: Mapping[str, str],
) -> ManifestContext:
    """Return the context of a text."""
    written = text.as_text()
    return ManifestContext(
        key=key,
        value=written,
        kind=kind,
        graph=graph,
        variables=variables(written),
        place=text.place,
        extra=extra,
    )


def keep_once(found: dict[str, _Defined], defined: _Defined) -> None:
    """Keep a router or tool by its name; raises `ManifestError` if the name means another."""
    known = found.setdefault(defined.name, defined)
    if replace(known, place=defined.place) != defined:
        line = "" if known.place.line is None else f" (line {known.place.line} has another)"
        raise at(defined.place, f"expected one definition of {defined.name!r}{line}")


def read_router(value: Value) -> Router:
    """Return a router of the list ``routers``."""
    name = value.text("name")
    strategy = value.text_or("strategy", "llm")
    if strategy not in _STRATEGIES:
        raise value.need("strategy").error(f"expected one of {', '.join(_STRATEGIES)}")
    text = said(value, "system_message")
    return Router(
        name=name,
        strategy=strategy,
        key=f"router:{name}:system_prompt" if text else None,
        system_message=text.as_text() if text else None,
        default_model=value.text_or("default_model") or value.text_or("model"),
        model_candidates=tuple(each.as_text() for each in value.each("model_candidates")),
        config=value.mapping("config"),
        place=value.place,
    )


def read_tool(value: Value) -> Tool:
    """Return a tool of the list ``tools``."""
    name = value.text("name")
    schemas = {key: value.mapping(key) for key in ("input_schema", "output_schema")}
    return Tool(
        name=name,
        key=f"tool:{name}:definition",
        description=value.text_or("description") or "",
        protocol=value.text_or("protocol") or "mcp",
        config=value.mapping("config"),
        input_schema=schemas["input_schema"] or None,
        output_schema=schemas["output_schema"] or None,
        place=value.place,
    )


def tool_context(tool: Tool) -> ManifestContext:
    """Return the context of a tool's definition, without credentials of its configuration."""
    config, left_out = without_credentials(tool.config, "config")
    said = {"left_out": list(left_out)} if left_out else {}
    return ManifestContext(
        key=tool.key,
        value={
            "name": tool.name,
            "description": tool.description,
            "protocol": tool.protocol,
            "config": config,
            "input_schema": tool.input_schema,
            "output_schema": tool.output_schema,
        },
        kind="tool_definition",
        place=tool.place,
        extra={"tool_name": tool.name, **said},
    )
