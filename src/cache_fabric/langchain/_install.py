"""The cache and the callback, switched on for every model and every run of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, cast

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.tracers.context import register_configure_hook

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain.cache import FabricCache
from cache_fabric.langchain.callback import FabricCallbackHandler

__all__ = ["install", "uninstall"]


def install(
    fabric: CacheFabric,
    *,
    graph: str | None = None,
    tags: Iterable[str] = (),
    **cache_options: Any,
) -> None:
    """Cache every model call of this process and track every run, in all threads and loops.

    The same as ``set_llm_cache(FabricCache(fabric, ...))`` and a `FabricCallbackHandler` in every
    call. Done again (a notebook cell that is run twice), it replaces fabric and options; runs that
    are under way stay with the fabric that they began with.

    Args:
        fabric: Used as it is and never closed.
        graph: As for `FabricCallbackHandler`.
        tags: As for `FabricCallbackHandler`.
        **cache_options: Of `FabricCache`: ``tenant``, ``user``, ``options``.
    """
    cache = FabricCache(fabric, **cache_options)
    handler = FabricCallbackHandler(fabric, graph=graph, tags=tags)
    _installed.switch_on(cache, handler)


def uninstall() -> None:
    """Undo `install`: no more tracking, and the cache of before; harmless when not installed.

    A global cache that somebody else has set since then stays.
    """
    _installed.switch_off()


class _Installed:
    """What is installed now. LangChain keeps this object for good, as it would a ``ContextVar``.

    LangChain has no way to take a hook back and asks it for nothing but `get`. A variable that is
    set would not be seen in other threads, and the default of one cannot be changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hooked = False
        self._handler: FabricCallbackHandler | None = None
        self._cache: FabricCache | None = None
        self._before: BaseCache | None = None

    def get(self) -> FabricCallbackHandler | None:
        """Return the handler that is added to every run."""
        return self._handler

    def switch_on(self, cache: FabricCache, handler: FabricCallbackHandler) -> None:
        with self._lock:
            if not self._hooked:
                register_configure_hook(cast("Any", self), inheritable=True)
                self._hooked = True
            current = get_llm_cache()
            if self._cache is None or current is not self._cache:
                self._before = current
            set_llm_cache(cache)
            self._cache, self._handler = cache, handler

    def switch_off(self) -> None:
        with self._lock:
            if self._cache is not None and get_llm_cache() is self._cache:
                set_llm_cache(self._before)
            self._cache = self._before = self._handler = None


_installed = _Installed()
