"""The facade's methods on the backends themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from cache_fabric.ledger import Inspection
from cache_fabric.life import Life
from cache_fabric.parts import Parts
from cache_fabric.reindex import Progress, Reindexed

__all__ = ["Backends", "PartMethods"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What a process keeps its fabric in, and how that goes.

    Attributes:
        store, index, embedder: Their names.
        durability: What an acknowledged write survives: ``memory``, ``process`` or ``disk``.
        left_alone: Those of them that are not asked for a while, after failures.
        queued: Answers that wait to be written.
        age: Seconds since the contexts were last known to be current, ``None`` before they were.
    """

    store: str
    index: str
    embedder: str
    durability: str
    left_alone: tuple[str, ...]
    queued: int
    age: float | None


class PartMethods:
    """Look into the backends, make the index anew, and offer them to other processes."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def inspect(self) -> Inspection:
        """Return what is kept, and the figures of all processes; raises `BackendError`."""
        return await self._run(lambda life: life.inspect())

    def backends(self) -> Backends:
        """Return how the backends of this process stand; the same method in both colours."""
        life = self._life()
        parts, live = life.parts, life.contexts.live
        behind = (life.engine.store, *life.engine.semantic.parts)
        return Backends(
            store=parts.store.name,
            index=parts.index.name,
            embedder=parts.embedder.identity,
            durability=parts.store.durability,
            left_alone=tuple(part.name for part in behind if part.breaker.is_open),
            queued=len(life.engine.queue),
            age=None if live.view is None else live.freshness.age(),
        )

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
