"""Put a fabric in the place of ``litellm.cache``, and put back what was there."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import litellm as host

from cache_fabric.errors import ConfigurationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.litellm._cache import FabricCache
from cache_fabric.litellm._desk import Desk
from cache_fabric.litellm._logger import FabricLogger
from cache_fabric.litellm._stream_ends import watch_ends
from cache_fabric.litellm._terms import Name, Terms
from cache_fabric.options import NO_OPTIONS, CacheOptions

__all__ = ["disable", "enable"]

_CALLBACK_LISTS = (
    *("callbacks", "input_callback", "success_callback", "failure_callback"),
    *("_async_success_callback", "_async_failure_callback", "_async_input_callback"),
)
_ON_A_HIT = "litellm.llms.anthropic.pass_through.messages.response_cache"
_MARK = "cache"  # what LiteLLM's own class puts into three of them
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Installed:
    cache: FabricCache
    logger: FabricLogger
    before: Any
    marked: tuple[str, ...]
    unwatch: Callable[[], None]


_installed: _Installed | None = None


def enable(
    fabric: CacheFabric,
    *,
    tenant: Name = None,
    user: Name = None,
    options: CacheOptions = NO_OPTIONS,
    track: bool = True,
) -> None:
    """Answer this process's calls of LiteLLM from a fabric.

    That is ``completion``, ``text_completion`` and ``responses``, streamed or not, and
    ``embedding``, text by text; in both colours; and a ``Router`` that is made with
    ``cache_responses=True`` (without it LiteLLM's router asks no cache). Chat answers are shared
    with LangChain. A hit has fresh ids, ``cache_hit`` and no cost. Two ways go without the cache: a
    streamed ``atext_completion``, which LiteLLM could not replay, and ``anthropic.messages``, but
    for the call of another provider's model that LiteLLM makes of it.
    A call steers the cache by ``cache={...}``: ``no-cache``, ``no-store``, ``ttl`` (at most the
    fabric's own), ``s-maxage``, ``namespace`` (inside its tenant), ``similarity``, and ``policy``
    (``"exact"``, or a policy); ``caching=False`` leaves it alone.

    Of identical calls one is made. A call that fails or is cancelled, and a stream that is left,
    frees those who wait for it; a stream that is left in the blocking colour, which LiteLLM holds
    on to, does so at the end of its lease (`completion` of this package at once).

    Enabled again, it has the new terms only. No fault, of a backend or of this package, reaches a
    call: it goes on without the cache, and that is counted as a bypass.

    Args:
        fabric: Used as it is and never closed.
        tenant: Whose calls these are, or a function of a call's arguments that says so. Without
            it: the team, else the key, that a proxy wrote into the metadata; outside a proxy
            ``metadata["cache_fabric_tenant"]``.
        user: The same for end users, when answers must not be shared between them either.
        options: Of every request.
        track: Whether each call becomes an execution, under its ``litellm_call_id``.

    Raises:
        ValidationError: An argument is not usable.
        ConfigurationError: LiteLLM lacks what it imports to serve a kept answer.
    """
    global _installed
    terms = Terms(fabric, tenant, user, options)
    _check_that_hits_work()
    with _lock:
        _uninstall()
        marked = tuple(name for name in _CALLBACK_LISTS if _MARK in getattr(host, name, ()))
        before = host.cache
        desk = Desk(terms)
        cache, logger = FabricCache(desk), FabricLogger(desk, track=track)
        _installed = _Installed(cache, logger, before, marked, watch_ends(desk.ended))
        host.cache = _installed.cache
        host.callbacks.append(_installed.logger)


def disable() -> None:
    """Put back what `enable` found; does nothing where nothing is enabled.

    A cache that somebody has put in the fabric's place since then stays.
    """
    with _lock:
        _uninstall()


def _check_that_hits_work() -> None:
    """Import what LiteLLM imports when it serves an answer: where that fails, its caller would."""
    try:
        importlib.import_module(_ON_A_HIT)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if not _ON_A_HIT.startswith(missing):  # older versions have no such module
            raise ConfigurationError(
                f"litellm: cannot serve an answer from any cache without {missing}: "
                f"pip install {missing}, or 'litellm[proxy]'"
            ) from error


def _uninstall() -> None:
    global _installed
    if _installed is None:
        return
    if host.cache is _installed.cache:
        host.cache = _installed.before
    for name in _CALLBACK_LISTS:
        entries = getattr(host, name, None)
        if isinstance(entries, list):
            unmarked = name not in _installed.marked and host.cache is None
            entries[:] = [e for e in entries if not _is_ours(e, unmarked=unmarked)]
    _installed.unwatch()
    _installed.cache.desk.close()
    _installed = None


def _is_ours(entry: Any, *, unmarked: bool) -> bool:
    assert _installed is not None
    return entry is _installed.logger or (unmarked and entry == _MARK)
