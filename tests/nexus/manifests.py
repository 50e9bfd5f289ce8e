"""Manifests made by hand, so that a test says what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cache_fabric.nexus.manifest import Kind, Manifest, ManifestContext, Place
from cache_fabric.template import variables

__all__ = ["ROUTER", "TOOL", "manifest_of"]

ROUTER, TOOL = "router:triage:system_prompt", "tool:lookup:definition"


def manifest_of(
    contexts: Mapping[str, Any], name: str = "moderation", version: str | None = "1.0"
) -> Manifest:
    """Return a manifest with these values by key; the kind of a context is told by its key."""
    made = [
        ManifestContext(
            key=key,
            value=value,
            kind=_kind(key),
            graph="main",
            variables=variables(value) if isinstance(value, str) else (),
            place=Place(file="manifest.yaml", line=number, field=f"contexts[{number}]"),
            extra={"number": number},
        )
        for number, (key, value) in enumerate(contexts.items(), 1)
    ]
    return Manifest(
        format="by-hand", name=name, version=version, contexts=tuple(made), file="manifest.yaml"
    )


def _kind(key: str) -> Kind:
    if key.startswith("tool:"):
        return "tool_definition"
    return "graph_metadata" if key.startswith("graph:") else "system_prompt"
