"""Cache Fabric: match the question by meaning and the context exactly.

>>> from cache_fabric import create_cache_fabric
>>> fabric = create_cache_fabric("memory")

Importing this package imports no SDK: each driver does so on its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache_fabric.config import FabricConfig
    from cache_fabric.fabric import CacheFabric
    from cache_fabric.factory import create_cache_fabric, resolve_fabric_from_env
    from cache_fabric.instrumentation.measured import FabricMetrics
    from cache_fabric.options import CacheOptions
    from cache_fabric.policy import ExactOnly, Opinion, Threshold, Verified
    from cache_fabric.types import Answer, Bypass, CacheRequest, ContextScope, Hit, Miss, Usage

_HOMES = {
    "Answer": "types",
    "Bypass": "types",
    "CacheFabric": "fabric",
    "CacheOptions": "options",
    "CacheRequest": "types",
    "ContextScope": "types",
    "ExactOnly": "policy",
    "FabricConfig": "config",
    "FabricMetrics": "instrumentation.measured",
    "Hit": "types",
    "Miss": "types",
    "Opinion": "policy",
    "Threshold": "policy",
    "Verified": "policy",
    "Usage": "types",
    "create_cache_fabric": "factory",
    "load_ipython_extension": "notebook",
    "resolve_fabric_from_env": "factory",
    "unload_ipython_extension": "notebook",
}

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Bypass",
    "CacheFabric",
    "CacheOptions",
    "CacheRequest",
    "ContextScope",
    "ExactOnly",
    "FabricConfig",
    "FabricMetrics",
    "Hit",
    "Miss",
    "Opinion",
    "Threshold",
    "Usage",
    "Verified",
    "create_cache_fabric",
    "resolve_fabric_from_env",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"cache_fabric.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
