"""What is published of a manifest's context: its value as data, its hash, and where it stands."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from cache_fabric.nexus.manifest import Manifest, ManifestContext

__all__ = ["content_hash", "metadata_of", "published_value"]


def published_value(context: ManifestContext) -> Any:
    """Return the value as the store will give it back."""
    # A tuple comes back as a list, and would differ from it at every compile.
    value = context.value
    return value if isinstance(value, str) else msgspec.json.decode(msgspec.json.encode(value))


def content_hash(value: Any) -> str:
    """Return ``sha256:`` and the hash of a text, or of data whatever the order of its keys."""
    data = value.encode() if isinstance(value, str) else msgspec.json.encode(value, order="sorted")
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def metadata_of(manifest: Manifest, context: ManifestContext) -> dict[str, Any]:
    """Return what is kept beside the value: where it stands, and what its format says of it.

    ``file``, ``line``, ``field`` and ``graph`` are there where they are known.
    """
    place = context.place
    known = {
        "file": place.file,
        "line": place.line,
        "field": place.field or None,
        "graph": context.graph,
    }
    return {
        **context.extra,
        **{name: value for name, value in known.items() if value is not None},
        "manifest": manifest.name,
        "format": manifest.format,
        "type": context.kind,
        "hash": content_hash(context.value),
        "variables": list(context.variables),
    }
