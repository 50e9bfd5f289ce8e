"""The facade's methods on who hears of events."""

from __future__ import annotations

from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.instrumentation.events import EventHook
from cache_fabric.instrumentation.hooks import ContentHook, Hooks, is_hook

__all__ = ["HookMethods"]


class HookMethods:
    """Let functions hear every event while the fabric runs; the same methods in both colours."""

    _hooks: Hooks

    def add_hook(self, hook: Any, *, content: bool = False) -> None:
        """Have a hook hear every event of this process, as ``hooks=`` of the factory does.

        It is called in the thread in which the event happens, on the request path: it must be
        quick. What it raises is logged and goes no further.

        Args:
            hook: Takes an event.
            content: Also hand it what was said around the event, as a second argument: a mapping
                by name (``messages``, ``answer``, ``input``, ``output``, ``comment`` ...). No
                event holds a prompt or an answer; a hook has to be given leave to hear them.

        Raises:
            ValidationError: The hook cannot be called, or would have to be awaited.
        """
        if not is_hook(hook):
            kind = "a coroutine function" if callable(hook) else type(hook).__name__
            raise ValidationError("hook", f"expected a function, got {kind}")
        if content:
            self._hooks.add_trusted(hook)
        else:
            self._hooks.add(hook)

    def remove_hook(self, hook: EventHook | ContentHook) -> None:
        """Have a hook hear no more; one that does not hear is passed over."""
        self._hooks.remove(hook)
