"""Which vectors changed, in order, over all processes that share a store.

The log says which and never what: who hears of a change reads the vector anew from where it is
kept, so a repeated or late note does no harm, and a forged one costs a read. It is the change log
of a store in a namespace of its own, so that the followers of contexts are not woken by answers.
One note a batch of writes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from cache_fabric.background import in_background
from cache_fabric.backoff import back_off
from cache_fabric.errors import BackendUnavailable, CacheFabricError
from cache_fabric.indexes.base import VectorItem
from cache_fabric.stores.base import Changes, Store

__all__ = ["Note", "Reader", "VectorLog"]

_HEARTBEAT = 5.0  # seconds that one wait for a quiet log may take
_LONGEST_PAUSE = 2.0
_log = logging.getLogger("cache_fabric")


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one batch did: ids by the partition they are in now, ids that are gone, or all gone."""

    by: str
    put: dict[str, list[str]] = {}
    gone: list[str] = []
    cleared: bool = False


class Reader(Protocol):
    """Who follows a log."""

    async def apply(self, note: Note) -> None:
        """Read anew what another process changed."""

    async def start_anew(self) -> None:
        """Changes were missed (the log was trimmed or went back): nothing known is sure."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Note).decode


class VectorLog:
    """The log of one set of vectors, written and followed by one index.

    Args:
        make_store: Makes the store, whose namespace nothing else uses; called by every `open`.
            What it makes is opened and closed here.
    """

    def __init__(self, make_store: Callable[[], Store]) -> None:
        self._make_store = make_store
        self._store: Store | None = None
        self._following: asyncio.Task[None] | None = None
        self._stopped = False
        self._me = secrets.token_hex(4)

    @property
    def store(self) -> Store:
        """The open store; raises `BackendUnavailable` while there is none."""
        if self._store is None:
            raise BackendUnavailable("vector log", "use", "it is not open")
        return self._store

    async def open(self) -> int:
        """Open the store; returns where the log ends now. What is known after that is followed."""
        if self._store is None:
            store = self._make_store()
            await store.open()
            self._store = store
        return (await self._store.changes(2**62, 1)).head

    def follow(self, after: int, reader: Reader) -> None:
        """Tell the reader of all that others write after a revision."""
        self._stopped = False
        self._following = in_background(self._follow(after, reader))

    async def wrote(self, items: Sequence[VectorItem]) -> None:
        """Append that these items are there now."""
        put: dict[str, list[str]] = {}
        for item in items:
            put.setdefault(item.partition, []).append(item.id)
        await self._append(Note(self._me, put=put))

    async def deleted(self, ids: Sequence[str]) -> None:
        """Append that these ids are gone."""
        await self._append(Note(self._me, gone=list(ids)))

    async def cleared(self) -> None:
        """Append that everything is gone."""
        await self._append(Note(self._me, cleared=True))

    async def aclose(self) -> None:
        self._stopped = True
        while self._following is not None and not self._following.done():
            # A client library may swallow one cancellation (asyncio.wait_for did, before 3.12).
            self._following.cancel()
            await asyncio.wait([self._following], timeout=0.1)
        store, self._store = self._store, None
        if store is not None:
            await store.aclose()

    async def _append(self, note: Note) -> None:
        if note.put or note.gone or note.cleared:
            await self.store.commit([], note=_encode(note))

    async def _follow(self, after: int, reader: Reader) -> None:
        failures = 0
        while not self._stopped:
            try:
                page = await self.store.changes(after)
                if not page.floor <= after <= page.head:
                    await reader.start_anew()
                    after = page.head
                elif page.items:
                    await self._tell(page, reader)
                    after = page.items[-1].revision
                else:
                    await self.store.wait(after, _HEARTBEAT)
                failures = 0
            except (CacheFabricError, OSError, TimeoutError) as error:
                failures += 1
                if failures == 1:
                    _log.warning("vectors of other processes come late: %s", error)
                await back_off(failures, _LONGEST_PAUSE)

    async def _tell(self, page: Changes, reader: Reader) -> None:
        for change in page.items:
            try:
                note = _decode(change.note)
            except msgspec.DecodeError:
                continue  # not of ours, and of no harm
            if note.by != self._me:
                await reader.apply(note)
