"""The facade's methods on the backends themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cache_fabric.ledger import Inspection
from cache_fabric.life import Life
from cache_fabric.parts import Parts
from cache_fabric.reindex import Progress, Reindexed

__all__ = ["PartMethods"]

T = TypeVar("T")


class PartMethods:
    """Look into the backends, make the index anew, and offer them to other processes."""

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def inspect(self) -> Inspection:
        """Return what is kept, and the figures of all processes; raises `BackendError`."""
        return await self._run(lambda life: life.inspect())

    async def reindex(self, progress: Progress | None = None) -> Reindexed:
        """Make the index anew from the store: after another embedder, or when it was lost.

        ``progress`` is called with how many entries are done, of how many. Raises `BackendError`.
        """
        return await self._run(lambda life: life.reindex(progress))

    async def use_parts(self, call: Callable[[Parts], Coroutine[Any, Any, T]]) -> T:
        """Return what a call on the backends returns, once the store is open; on the home loop.

        For whoever offers them to other processes. Its errors are the caller's.
        """
        return await self._run(lambda life: life.engine.store.demand(lambda: call(life.parts)))
