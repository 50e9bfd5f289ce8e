"""Who hears of events; hooks come and go while the fabric runs."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from cache_fabric.fault_place import place_of
from cache_fabric.instrumentation.events import Event, EventHook

__all__ = ["Content", "ContentHook", "Hooks", "Tell", "is_hook", "no_content"]

Content = Callable[[], Mapping[str, Any]]
"""Makes what was said around an event, by name: ``messages``, ``answer``, ``input`` and so on."""
ContentHook = Callable[[Event, Mapping[str, Any]], None]

_log = logging.getLogger("cache_fabric")


class Tell(Protocol):
    """Tells of an event; `Hooks.tell` is one."""

    def __call__(self, event: Event, content: Content = ..., /) -> None: ...


def is_hook(value: object) -> bool:
    """Return whether a value can be called with an event, and is done when it returns."""
    return callable(value) and not inspect.iscoroutinefunction(value)


def no_content() -> Mapping[str, Any]:
    """Return nothing: the content of an event around which nothing was said."""
    return {}


class Hooks:
    """Tells every event to every hook, in the thread in which it happens.

    An event holds figures and names, never what people or models said. Only a `ContentHook` is
    told that, beside the event, and it is not even put together while there is none.

    Args:
        hooks: Hear every event.
    """

    def __init__(self, hooks: Iterable[EventHook] = ()) -> None:
        self._lock = threading.Lock()
        self._hooks: tuple[EventHook, ...] = tuple(hooks)
        self._trusted: tuple[ContentHook, ...] = ()

    def add(self, hook: EventHook) -> None:
        """Have a hook hear every event from now on."""
        with self._lock:
            self._hooks = (*self._hooks, hook)

    def add_trusted(self, hook: ContentHook) -> None:
        """Have a hook hear every event and what was said around it."""
        with self._lock:
            self._trusted = (*self._trusted, hook)

    def remove(self, hook: EventHook | ContentHook) -> None:
        """Have a hook hear no more; one that does not hear is passed over."""
        with self._lock:
            self._hooks = tuple(one for one in self._hooks if one != hook)
            self._trusted = tuple(one for one in self._trusted if one != hook)

    def all(self) -> tuple[EventHook | ContentHook, ...]:
        """Return the hooks, in the order in which they are told."""
        return (*self._hooks, *self._trusted)

    def tell(self, event: Event, content: Content = no_content, /) -> None:
        """Tell every hook; one that raises is logged and disturbs nobody."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001 - a hook is foreign code on the request path
                _tell_of_fault(error)
        for trusted in self._trusted:
            try:
                trusted(event, content())
            except Exception as error:  # noqa: BLE001
                _tell_of_fault(error)


def _tell_of_fault(error: Exception) -> None:
    _log.error("an event hook failed: %s", place_of(error))
