"""Cache Fabric inside LiteLLM; importing this package imports no LiteLLM.

``enable(fabric)`` answers the calls of this process from a fabric, ``disable()`` puts back what was
there. ``completion`` and ``acompletion`` ask a fabric for one call and leave LiteLLM as it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.litellm._install import disable, enable
    from cache_fabric.litellm.calls import acompletion, completion

__all__ = ["acompletion", "completion", "disable", "enable"]

_MODULES = {
    "acompletion": "calls",
    "completion": "calls",
    "disable": "_install",
    "enable": "_install",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "litellm":
            raise
        raise MissingExtraError("litellm", f"{__name__}.{name}") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
