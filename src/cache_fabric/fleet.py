"""The fleet: which named processes use the fabric, and which revision each of them serves.

A process that has a name (``agent`` of the configuration) keeps a note in the store, written anew
some seconds apart and as soon as it serves a new revision, but no more than five times a second:
contexts may change faster, and there may be many processes. A note that nobody renews says that its
process has gone. Lives on the home loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.background import in_background
from cache_fabric.errors import CacheFabricError, CodecError
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.part import Part
from cache_fabric.records import ContextChange
from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Document, Query
from cache_fabric.version_records import Agent

__all__ = ["Fleet"]

_KIND = "p"
_EVERY = 5.0
_LEAST = 0.2  # seconds from one note to the next, however fast contexts change
_GONE = 3 * _EVERY
_FORGOTTEN = 3600.0
_PAGE = 200
_log = logging.getLogger("cache_fabric")


class _Note(msgspec.Struct, frozen=True):
    name: str
    host: str
    pid: int
    started: float
    at: float
    revision: int
    delay: float | None


class Fleet:
    """Tells of this process, and reads what the others tell.

    Args:
        name: Of this process; ``None`` tells nothing of it.
        live: Its view of the contexts.
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        name: str | None,
        live: LiveContexts,
        store: Part,
        records: Store,
        secret: bytes,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._live = live
        self._store = store
        self._documents = records.documents
        self._secret = secret
        self._clock = clock
        self._id = secrets.token_hex(8)
        self._started = clock()
        self._delay: float | None = None
        self._news = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        if name is not None:
            live.listeners["loaded"].append(self._begin)
            live.listeners["changed"].append(self._changed)

    async def agents(self) -> list[Agent]:
        """Return the named processes, by name; raises `BackendError`."""
        now, found, cursor = self._clock(), [], None
        while True:
            page = await self._store.demand(
                lambda: self._documents.find(_KIND, Query(), after=cursor, limit=_PAGE)
            )
            for key, value in page.items:
                with contextlib.suppress(CodecError, msgspec.ValidationError):
                    found.append((key, msgspec.convert(codec.unpack(value, self._secret), _Note)))
            if (cursor := page.cursor) is None:
                break
        agents = [_agent(key, note, now) for key, note in found if now - note.at < _FORGOTTEN]
        return sorted(agents, key=lambda agent: (agent.name, agent.started, agent.id))

    async def close(self) -> None:
        """Take the note of this process back; raises `BackendError`."""
        await self.stop()
        if self._telling is not None:
            await self._store.demand(lambda: self._documents.delete(_KIND, [self._id]))

    async def stop(self) -> None:
        """Tell no more; idempotent."""
        while self._telling is not None and not self._telling.done():
            # A client library may swallow one cancellation (asyncio.wait_for did, before 3.12).
            self._telling.cancel()
            await asyncio.wait([self._telling], timeout=0.1)

    def _begin(self, *_: Any) -> None:
        if self._telling is None:
            self._telling = in_background(self._tell())

    def _changed(self, _: str, change: Any) -> None:
        if isinstance(change, ContextChange):
            self._delay = max(0.0, self._clock() - change.at.timestamp())
        self._news.set()

    async def _tell(self) -> None:
        await self._tidy()
        while True:
            self._news.clear()
            try:
                await self._write()
            except (CacheFabricError, OSError, TimeoutError) as error:
                _log.debug("the fleet was not told: %s", type(error).__name__)
            await asyncio.sleep(_LEAST)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._news.wait()

    async def _write(self) -> None:
        assert self._name is not None
        now, view = self._clock(), self._live.view
        note = _Note(
            name=self._name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            at=now,
            revision=0 if view is None else view.revision,
            delay=self._delay,
        )
        value = codec.pack(msgspec.to_builtins(note), self._secret)
        document = Document(key=self._id, value=value, at=now)
        await self._store.demand(lambda: self._documents.put(_KIND, [document]))

    async def _tidy(self) -> None:
        """Delete the notes of processes that ended without taking them back."""
        with contextlib.suppress(CacheFabricError, OSError, TimeoutError):
            old = Query(until=self._clock() - _FORGOTTEN)
            page = await self._store.demand(lambda: self._documents.find(_KIND, old, limit=_PAGE))
            keys = [key for key, _ in page.items]
            if keys:
                await self._store.demand(lambda: self._documents.delete(_KIND, keys))


def _agent(key: str, note: _Note, now: float) -> Agent:
    return Agent(
        id=key,
        name=note.name,
        host=note.host,
        pid=note.pid,
        started=datetime.fromtimestamp(note.started, UTC),
        seen=datetime.fromtimestamp(note.at, UTC),
        alive=now - note.at < _GONE,
        revision=note.revision,
        delay=note.delay,
    )
