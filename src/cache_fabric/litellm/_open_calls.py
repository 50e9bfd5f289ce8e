"""Calls that are with the model: what LiteLLM names by ``litellm_call_id`` until they end.

LiteLLM says when a call has succeeded or failed. Of a stream that is left, and of a call that is
cancelled, it says nothing; but its logging object goes, and with it the call is given up.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cache_fabric.litellm._departures import Departures
from cache_fabric.litellm._terms import Asked
from cache_fabric.types import CacheRequest, Ticket

__all__ = ["OpenCall", "OpenCalls"]

_MOST = 10_000
_GRACE = 0.25
"""Seconds between the end of a logging object and the end of its call: a finished stream's answer
may still be on its way here, in a task of its own."""


@dataclass(slots=True, eq=False)
class OpenCall:
    """A call that missed: what was asked, and what its answer is stored under.

    Attributes:
        says_its_end: Of a stream: True once the model has said why it stopped.
        says_its_usage: False for a stream whose usage LiteLLM makes up.
    """

    asked: Asked
    target: Ticket | CacheRequest
    says_its_end: bool = False
    says_its_usage: bool = True


class OpenCalls:
    """The calls of one installation; for any thread.

    Args:
        give_up: Takes a call that ends without an answer.
    """

    def __init__(self, give_up: Callable[[OpenCall], None]) -> None:
        self._give_up = give_up
        self._lock = threading.Lock()
        self._open: OrderedDict[str, OpenCall] = OrderedDict()
        self._departures = Departures(_GRACE)

    def find(self, call_id: str) -> OpenCall | None:
        """Return a call that is open."""
        return self._open.get(call_id)

    def ids(self) -> list[str]:
        """Return the ids of the calls that are open."""
        with self._lock:
            return list(self._open)

    def begin(self, call_id: str, call: OpenCall, owner: Any) -> None:
        """Open a call until it is taken, or until ``owner`` is gone."""
        with self._lock:
            before = self._open.pop(call_id, None)
            self._open[call_id] = call
            oldest = self._open.popitem(last=False)[1] if len(self._open) > _MOST else None
        for gone in (before, oldest):
            if gone is not None:
                self._give_up(gone)
        self._departures.get_ready()
        with contextlib.suppress(TypeError):  # what cannot be watched ends with its lease
            watch = weakref.finalize(owner, self._owner_is_gone, call_id, call)
            watch.atexit = False

    def take(self, call_id: str) -> OpenCall | None:
        """End a call and return it; ``None`` where it has ended."""
        with self._lock:
            return self._open.pop(call_id, None)

    def __len__(self) -> int:
        return len(self._open)

    def _owner_is_gone(self, call_id: str, call: OpenCall) -> None:
        """Runs inside a garbage collection."""
        if self._open.get(call_id) is call:
            self._departures.note(lambda: self._leave(call_id, call))

    def _leave(self, call_id: str, call: OpenCall) -> None:
        with self._lock:
            if self._open.get(call_id) is not call:
                return
            del self._open[call_id]
        self._give_up(call)
