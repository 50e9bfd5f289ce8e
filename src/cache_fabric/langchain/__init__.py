"""Cache Fabric inside LangChain and LangGraph; importing this package imports neither.

``install(fabric)`` switches `FabricCache` (a ``BaseCache``) and `FabricCallbackHandler` (tracks
runs as executions) on for the whole process, ``uninstall()`` off again. ``cached``, also called
``FabricChatModel``, wraps a chat model and answers its streams as well. ``FabricMiddleware`` is for
``create_agent``; ``FabricNodeCache`` keeps results of LangGraph nodes, and ``message_key`` lets a
messages state hit it. ``cached_embeddings`` and ``cached_retriever`` wrap those. ``FabricPrompt``,
made by ``fabric.prompt``, yields the current messages of a context.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.langchain._install import install, uninstall
    from cache_fabric.langchain.cache import FabricCache
    from cache_fabric.langchain.callback import FabricCallbackHandler
    from cache_fabric.langchain.chat_model import FabricChatModel, cached
    from cache_fabric.langchain.embeddings import cached_embeddings
    from cache_fabric.langchain.live_prompt import FabricPrompt
    from cache_fabric.langchain.middleware import FabricMiddleware
    from cache_fabric.langchain.node_cache import FabricNodeCache
    from cache_fabric.langchain.node_key import message_key
    from cache_fabric.langchain.retriever import cached_retriever

__all__ = [
    "FabricCache",
    "FabricCallbackHandler",
    "FabricChatModel",
    "FabricMiddleware",
    "FabricNodeCache",
    "FabricPrompt",
    "cached",
    "cached_embeddings",
    "cached_retriever",
    "install",
    "message_key",
    "uninstall",
]

_MODULES = {
    "FabricCache": "cache",
    "FabricCallbackHandler": "callback",
    "FabricChatModel": "chat_model",
    "FabricMiddleware": "middleware",
    "FabricNodeCache": "node_cache",
    "FabricPrompt": "live_prompt",
    "cached": "chat_model",
    "cached_embeddings": "embeddings",
    "cached_retriever": "retriever",
    "install": "_install",
    "message_key": "node_key",
    "uninstall": "_install",
}
_EXTRAS = {"langchain_core": "langchain", "langgraph": "langgraph", "langchain": "agents"}


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
