"""A store with a switch: while it is off, every call fails as one to an unreachable server does."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any, cast

from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Store

__all__ = ["Switch", "switched"]


class Switch:
    """On at first; turned from any thread."""

    def __init__(self) -> None:
        self.on = True

    def check(self, backend: str, operation: str) -> None:
        """Raise `BackendUnavailable` while it is off."""
        if not self.on:
            raise BackendUnavailable(backend, operation, "stopped by the demo's switch: start it")


def switched(store: Store) -> tuple[Store, Switch]:
    """Return the store behind a switch, and the switch."""
    switch = Switch()
    return cast(Store, _Behind(store, store.name, switch)), switch


class _Behind:
    """All that a store or its documents have, behind the switch; closing always goes through."""

    def __init__(self, inner: Any, backend: str, switch: Switch) -> None:
        self._inner = inner
        self._backend = backend
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "documents":
            return _Behind(found, self._backend, self._switch)
        if not callable(found) or name == "aclose":
            return found
        if inspect.isasyncgenfunction(found):
            return lambda *args, **named: self._each(name, found(*args, **named))

        async def call(*args: Any, **named: Any) -> Any:
            self._switch.check(self._backend, name)
            result = await found(*args, **named)
            self._switch.check(self._backend, name)  # it may have been turned while this waited
            return result

        return call

    async def _each(self, name: str, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        self._switch.check(self._backend, name)
        async for item in items:
            yield item
            self._switch.check(self._backend, name)
