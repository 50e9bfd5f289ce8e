"""The formats of manifests that are read, and the one function that reads them.

A format is a module with two functions: ``fits(given) -> bool`` tells by the content whether it is
one of its manifests, and ``read(given) -> Manifest`` reads it. It is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from os import PathLike
from typing import Any

from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus._checks import checked
from cache_fabric.nexus.given import Given
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.source import Source

__all__ = ["FORMATS", "read_manifest"]

FORMATS: dict[str, str] = {
    "nexus-ir": "cache_fabric.nexus.readers.ir",
    "agent-spec": "cache_fabric.nexus.readers.agent_spec",
    "universal-agent": "cache_fabric.nexus.readers.universal_agent",
    "crewai": "cache_fabric.nexus.readers.crewai",
    "prompty": "cache_fabric.nexus.readers.prompty",
    "dotprompt": "cache_fabric.nexus.readers.dotprompt",
    "langgraph": "cache_fabric.nexus.readers.langgraph_json",
    "folder": "cache_fabric.nexus.readers.folder",
}
"""Module by name of the format; the first one that fits reads it."""


def read_manifest(
    manifest: str | PathLike[str] | Source | Mapping[str, Any] | object,
    *,
    format: str | None = None,  # noqa: A002 - the word of the command's option
    name: str | None = None,
) -> Manifest:
    """Read a manifest; nothing is published.

    Args:
        manifest: Path of a file or folder, a `Source`, a mapping, or an object of
            ``universal_agent_nexus`` (``ManifestIR``) or ``universal_agent`` (``AgentManifest``).
        format: One of `FORMATS`; ``None`` tells it by the content.
        name: What the manifest is called, instead of its own name.

    Raises:
        ManifestError: It cannot be read, is broken, or is of no format that we read.
        ValidationError: There is no such format.
        MissingExtraError: It is YAML, and PyYAML is not installed.
    """
    if format is not None and format not in FORMATS:
        raise ValidationError("format", f"expected one of {', '.join(FORMATS)}, got {format!r}")
    given = Given(manifest, name)
    read: Manifest = _reader(given, format).read(given)
    return checked(replace(read, is_named=given.is_named))


def _reader(given: Given, name: str | None) -> Any:
    if name is not None:
        return import_module(FORMATS[name])
    for module in map(import_module, FORMATS.values()):
        if module.fits(given):
            return module
    known = ", ".join(FORMATS)
    raise ManifestError(f"expected one of the formats {known}: it looks like none", file=given.file)
