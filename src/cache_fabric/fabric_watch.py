"""The facade's methods that follow the contexts: all of them at one revision, and every change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from cache_fabric.backoff import back_off
from cache_fabric.errors import BackendError, ValidationError
from cache_fabric.life import Life
from cache_fabric.live_contexts import Listener
from cache_fabric.records import ContextChange, ContextSnapshot, Resync
from cache_fabric.scopes import Owner

__all__ = ["WatchMethods"]

T = TypeVar("T")
_LONGEST_PAUSE = 1.0


class WatchMethods:
    """A snapshot, and a resumable watch after it."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def snapshot_contexts(
        self,
        prefix: str = "",
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
    ) -> ContextSnapshot:
        """Return the contexts that this owner sees, each from its narrowest scope, at one revision.

        ``watch(after=snapshot.revision)`` tells of every change since.
        """
        owner = Owner(tenant, user, execution_id)
        return await self._run(lambda life: life.contexts.snapshot(owner, prefix))

    async def watch(
        self,
        prefix: str = "",
        after: int | None = None,
        *,
        tenant: str | None = None,
        user: str | None = None,
    ) -> AsyncGenerator[ContextChange | Resync]:
        """Yield every change after a revision (from now on, without one), in order, without end.

        Survives outages: it waits with jittered backoff and goes on where it was. When its place
        has been trimmed from the log it yields one `Resync` and goes on from the head. Keep
        ``change.revision`` of a change whose ``last`` is true to resume later.
        """
        owner, failures = Owner(tenant, user), 0
        place = after
        while True:
            try:
                if place is None:
                    place = (await self._run(lambda life: life.contexts.live.catch_up(0))).revision
                found, place = await self._next_changes(place, prefix, owner)
                failures = 0
            except BackendError:
                failures += 1
                await back_off(failures, _LONGEST_PAUSE)
                continue
            for change in found:
                yield change

    def on(self, event: str, listener: Listener) -> None:
        """Call ``listener(event, value)`` on an event of the change log.

        These are ``loaded``, ``changed``, ``stale`` and ``error``; ``retired`` when some process
        took answers back (a `Retired`); ``judged`` when an answer was quarantined, restored, pinned
        or unpinned (the id of its entry); ``erased`` when some process erased a subject's data (an
        `Erased`).
        """
        listeners = self._life().contexts.live.listeners
        if event not in listeners:
            raise ValidationError("event", f"expected one of {', '.join(listeners)}, got {event!r}")
        listeners[event].append(listener)

    async def _next_changes(
        self, after: int, prefix: str, owner: Owner
    ) -> tuple[list[ContextChange | Resync], int]:
        return await self._run(lambda life: life.contexts.changes(after, prefix, owner))
