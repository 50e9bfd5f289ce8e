"""What happens in a fabric, in one row, for whoever listens: the last thousand events by number.

Nothing is heard before the first listener, and telling costs the caller an append: listeners look
into the row twenty times a second. Numbers begin with the time at which the hub was made, so that a
place in the row of a server that was restarted is never taken for one in this row.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from cache_fabric.background import in_background
from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.events import (
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LookupEvent,
    StoreEvent,
    VerdictEvent,
)
from cache_fabric.keys import emptied
from cache_fabric.records import Resync
from cache_fabric.types import CacheRequest
from cache_fabric.web.shapes import use_of
from cache_fabric.web.streams import Told

__all__ = ["Hub"]

_KEPT = 1_000
_LOOK = 0.05  # seconds
_LOOKS_A_SECOND = 20
_KINDS: Mapping[type[Any], str] = {
    LookupEvent: "lookup",
    StoreEvent: "store",
    ExecutionEvent: "execution",
    FeedbackEvent: "feedback",
    VerdictEvent: "verdict",
}


class Hub:
    """Hears a fabric from its first listener on.

    Args:
        fabric: That is listened to.
        content: Whether the questions of lookups are told.
    """

    def __init__(self, fabric: CacheFabric, *, content: bool = False) -> None:
        self._fabric = fabric
        self._content = content
        self._numbers = itertools.count(int(time.time() * 1000))
        self._row: deque[tuple[int, float, str, Any]] = deque(maxlen=_KEPT)
        self._head = next(self._numbers)
        self._lock = threading.Lock()
        self._listeners = 0
        self._hears = False
        self._looking: asyncio.Task[None] | None = None

    def tell(self, kind: str, data: Any) -> None:
        """Add an event to the row; from any thread. ``data`` is a mapping, or a record of ours."""
        with self._lock:
            self._head = next(self._numbers)
            self._row.append((self._head, time.time(), kind, data))

    async def listen(self, after: int | None) -> AsyncGenerator[Told]:
        """Yield what was told after a place in the row (from now on, without one), without end.

        A place that is not in the row any more, or that is of another row, gets a ``resync``.
        """
        await self._begin()
        place = self._head if after is None else after
        try:
            while True:
                events, missed = self._since(place)
                if missed:
                    place = self._head
                    yield Told("resync", {"at": time.time()}, place)
                for number, at, kind, data in events:
                    place = number
                    yield Told(kind, {**_plain(data), "at": at}, number)
                await asyncio.sleep(_LOOK)
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._looking is not None:
                self._looking.cancel()
                self._looking = None  # who comes before it has ended needs another

    def _since(self, place: int) -> tuple[list[tuple[int, float, str, Any]], bool]:
        """Return what came after a place, and whether that is not all."""
        with self._lock:
            row, head = self._row.copy(), self._head
        if not row:
            return [], place != head
        is_known = row[0][0] - 1 <= place <= row[-1][0]
        return [event for event in row if event[0] > place] if is_known else [], not is_known

    async def _begin(self) -> None:
        if not self._hears:
            self._hears = True
            if self._content:
                self._fabric.add_hook(self._hear_words, content=True)
            else:
                self._fabric.add_hook(self._hear)
            self._fabric.on("changed", self._changed)
        self._listeners += 1
        if self._looking is None or self._looking.done():
            self._looking = in_background(self._look())

    def _hear(self, event: Event) -> None:
        kind = _KINDS.get(type(event))
        if kind is not None:
            self.tell(kind, event)

    def _hear_words(self, event: Event, content: Mapping[str, Any]) -> None:
        if isinstance(event, LookupEvent) and "messages" in content:
            asked = CacheRequest(model=event.model, messages=content["messages"])
            question = emptied(asked, None).question
            self.tell("lookup", {**msgspec.to_builtins(event), "question": question})
        else:
            self._hear(event)

    def _changed(self, _: str, change: Any) -> None:
        if isinstance(change, Resync):
            self.tell("resync", change)
        else:
            self.tell("change", change)

    async def _look(self) -> None:
        """Tell what no event tells, where it has moved: figures every second, the fleet sooner."""
        figures: Any = None
        fleet: Any = None
        for number in itertools.count():
            with contextlib.suppress(CacheFabricError):  # what is known goes on being shown
                if number % _LOOKS_A_SECOND == 0:
                    figures = self._moved("metrics", figures, await self._fabric.get_metrics())
                if number % (_LOOKS_A_SECOND // 4) == 0:
                    agents = msgspec.to_builtins(await self._fabric.fleet())
                    fleet = self._moved("fleet", fleet, {"items": agents})
            await asyncio.sleep(_LOOK)

    def _moved(self, kind: str, before: Any, now: Any) -> Any:
        if now != before:
            self.tell(kind, now)
        return now


def _plain(data: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dict(msgspec.to_builtins(data))
    if plain.get("contexts"):
        plain["contexts"] = [msgspec.to_builtins(use_of(*use)) for use in plain["contexts"]]
    return plain
