"""From compiled manifests to running agents; importing this package imports no SDK.

``read_manifest`` reads a manifest of any of the ``FORMATS``; ``compile_manifest`` publishes what it
says as one bundle, ``watch_manifest`` whenever the file changes. ``ManifestRuntime`` runs a graph
of it on LangGraph, with every prompt as the fabric has it at the call. ``store_manifest_contexts``,
``get_router_prompt_from_fabric``, ``FabricAwareRuntime``, ``track_execution_with_fabric`` and
``record_feedback_to_fabric`` are for code that was written against
``universal_agent_nexus.cache_fabric``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.nexus.aware_runtime import FabricAwareRuntime
    from cache_fabric.nexus.compile import Compilation, compile_manifest, compile_manifest_sync
    from cache_fabric.nexus.formats import FORMATS, read_manifest
    from cache_fabric.nexus.manifest import Manifest
    from cache_fabric.nexus.plan import Plan
    from cache_fabric.nexus.runtime import ManifestRuntime
    from cache_fabric.nexus.seed import (
        get_router_prompt_from_fabric,
        record_feedback_to_fabric,
        store_manifest_contexts,
        track_execution_with_fabric,
    )
    from cache_fabric.nexus.watching import watch_manifest

__all__ = [
    "FORMATS",
    "Compilation",
    "FabricAwareRuntime",
    "Manifest",
    "ManifestRuntime",
    "Plan",
    "compile_manifest",
    "compile_manifest_sync",
    "get_router_prompt_from_fabric",
    "read_manifest",
    "record_feedback_to_fabric",
    "store_manifest_contexts",
    "track_execution_with_fabric",
    "watch_manifest",
]

_MODULES = {
    "FORMATS": "formats",
    "Compilation": "compile",
    "FabricAwareRuntime": "aware_runtime",
    "Manifest": "manifest",
    "ManifestRuntime": "runtime",
    "Plan": "plan",
    "compile_manifest": "compile",
    "compile_manifest_sync": "compile",
    "get_router_prompt_from_fabric": "seed",
    "read_manifest": "formats",
    "record_feedback_to_fabric": "seed",
    "store_manifest_contexts": "seed",
    "track_execution_with_fabric": "seed",
    "watch_manifest": "watching",
}
_EXTRAS = {
    "langchain_core": "langgraph",
    "langgraph": "langgraph",
    "simpleeval": "nexus",
    "yaml": "nexus",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(extra, f"{__name__}.{name}") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
