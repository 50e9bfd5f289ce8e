"""From compiled manifests to running agents; importing this package imports no SDK.

``ManifestRuntime`` runs a graph of a manifest on LangGraph, with every prompt as the fabric has it
at the call.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.nexus.runtime import ManifestRuntime

__all__ = [
    "ManifestRuntime",
]

_MODULES = {
    "ManifestRuntime": "runtime",
}
_EXTRAS = {"langchain_core": "langgraph", "langgraph": "langgraph", "simpleeval": "nexus"}


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
