"""The misses of a task that are not answered yet.

LangChain tells a cache nothing of a failed call, but ``abatch`` and ``gather`` run each call in a
task of its own: its end is the news, and nobody has to wait for the lease.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from cache_fabric.types import CacheRequest, Ticket

__all__ = ["TaskTickets"]

_MOST = 1_000
"""Of one task, which may go on for ever, with calls that fail."""


class TaskTickets:
    """Tickets by the task that looked up; called from any loop.

    Args:
        release: Is given those that a task leaves without an answer.
    """

    def __init__(self, release: Callable[[Ticket], object]) -> None:
        self._release = release
        self._of: weakref.WeakKeyDictionary[asyncio.Task[object], list[Ticket]]
        self._of = weakref.WeakKeyDictionary()

    def add(self, ticket: Ticket) -> None:
        """Hold a ticket of the running task until it is closed, or the task ends."""
        task = asyncio.current_task()
        if task is None:
            return
        if task not in self._of:
            task.add_done_callback(self._ended)
        held = [one for one in self._of.get(task, ()) if not one.closed]
        for given_up in held[: max(0, len(held) + 1 - _MOST)]:
            self._release(given_up)
        self._of[task] = [*held, ticket][-_MOST:]

    def find(self, request: CacheRequest) -> Ticket | None:
        """Return the open ticket of a request of the running task."""
        task = asyncio.current_task()
        held = () if task is None else self._of.get(task, ())
        return next((one for one in held if not one.closed and one.request == request), None)

    def _ended(self, task: asyncio.Task[object]) -> None:
        for ticket in self._of.pop(task, ()):
            if not ticket.closed:
                self._release(ticket)
