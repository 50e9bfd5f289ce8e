"""Cache Fabric inside a LiteLLM proxy; importing this package imports no LiteLLM.

A proxy's configuration names ``fabric_hook`` in ``litellm_settings: {callbacks: [...]}`` and has no
``cache:`` key. Reading the name makes the fabric that the environment (or the file that
``CACHE_FABRIC_PROXY_CONFIG`` names) describes, once in each worker, and enables it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.litellm_proxy._hook import FabricHook

    fabric_hook: FabricHook

__all__ = ["fabric_hook"]

_lock = threading.Lock()
_NEEDED = ("fastapi", "litellm", "yaml")


def __getattr__(name: str) -> Any:
    if name != "fabric_hook":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _lock:
        made = globals().get(name)
        if made is None:
            made = globals()[name] = _start()
        return made


def __dir__() -> list[str]:
    return sorted(__all__)


def _start() -> FabricHook:
    try:
        from cache_fabric.litellm_proxy._start import start
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        raise MissingExtraError("litellm", f"{__name__}.fabric_hook") from error
    return start()
