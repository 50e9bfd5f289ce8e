"""The live view: what is current in this process, kept so by the change log.

Every context of the namespace is in the view, and beside it the marks of the verdicts on answers.

Reads come from here and cost no I/O. One task a process follows the log and applies it revision by
revision, so a bundle becomes visible whole. The view is replaced, never changed, so any thread may
read it. During an outage the last known good goes on being served, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.background import in_background
from cache_fabric.backoff import back_off
from cache_fabric.context_rules import Body, Head, advance
from cache_fabric.context_view import (
    View,
    changes_of,
    erased_of,
    items_of,
    judged_of,
    retired_of,
    was_missed,
)
from cache_fabric.errors import CacheFabricError
from cache_fabric.fault_place import place_of
from cache_fabric.instrumentation.change_events import ChangesEvent, ResyncEvent
from cache_fabric.instrumentation.events import Event
from cache_fabric.keys import Known
from cache_fabric.live_verdicts import MARKS, LiveVerdicts
from cache_fabric.part import Degraded, Part
from cache_fabric.records import Freshness, Resync
from cache_fabric.scopes import SEPARATOR, Owner
from cache_fabric.stores.base import Change, Changes, Record, Store

__all__ = ["HEADS", "MISSED", "VERSIONS", "Listener", "LiveContexts", "version_key"]

HEADS = "c/"
VERSIONS = "v/"
MISSED = "the change log was trimmed or went back"
_HEARTBEAT = 1.0  # seconds; how often a quiet log is known to be quiet
_LONGEST_PAUSE = 2.0
_EVENTS = ("loaded", "changed", "stale", "error", "retired", "judged", "erased")
_log = logging.getLogger("cache_fabric")
Listener = Callable[[str, Any], object]


def version_key(path: str, version: int) -> str:
    """Return the record key of one version of a context."""
    return f"{VERSIONS}{path}{SEPARATOR}{version:08d}"


class LiveContexts:
    """The view and the task that follows the log.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
        verdicts: Is kept current as well.
        emit: Hears what was applied.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        secret: bytes,
        verdicts: LiveVerdicts,
        emit: Callable[[Event], None],
    ) -> None:
        self.verdicts = verdicts
        self.view: View | None = None
        self.freshness = Freshness()
        self.listeners: dict[str, list[Listener]] = {name: [] for name in _EVENTS}
        self._store = store
        self._records = records
        self._secret = secret
        self._emit = emit
        self._following: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[View] | None = None
        self._stopped = False
        self._applying = asyncio.Lock()
        self._advanced = asyncio.Event()

    def known(self, owner: Owner) -> Known | None:
        """Return what finds the contexts that an owner sees; ``None`` while there are none."""
        view = self.view
        if view is None or not view.texts:
            return None
        return lambda text: view.known(text, owner)

    async def load(self) -> View:
        """Return the view, taken from the store at first use; raises `BackendError`."""
        if self.view is None:
            async with self._applying:
                if self.view is None:
                    await self._store.open()
                    await self._snapshot()
                    self._following = in_background(self._follow())
                    self.tell("loaded", self.view)
        assert self.view is not None
        return self.view

    async def load_quietly(self, seconds: float) -> None:
        """Load for a lookup: an outage costs its budget and no more, and loading goes on."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self.load())
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        loading = self._loading
        with contextlib.suppress(Degraded):
            await self._store.attempt(lambda: asyncio.shield(loading), seconds)

    async def catch_up(self, revision: int) -> View:
        """Return a view that is not older than a revision, or than now for revision 0."""
        await self.load()
        async with self._applying:
            assert self.view is not None
            while revision == 0 or self.view.revision < revision:
                if not await self._apply_page():
                    break
            return self.view

    async def wait(self, after: int, seconds: float) -> None:
        """Return when the view is newer than a revision, at the latest after some seconds."""
        view = await self.load()
        if view.revision > after:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._advanced.wait()

    async def bodies(self, places: list[tuple[str, int]]) -> list[tuple[Body, int] | None]:
        """Return versions of paths with the revisions that wrote them."""
        await self.load()
        found = await self._records.read([version_key(*place) for place in places])
        return [
            None if record is None else (self._body(record.value), record.revision)
            for record in found
        ]

    async def stop(self) -> None:
        """End the task that follows the log."""
        self._stopped = True
        if self._loading is not None:
            self._loading.cancel()
        while self._following is not None and not self._following.done():
            # A client library may swallow one cancellation (asyncio.wait_for did, before 3.12).
            self._following.cancel()
            await asyncio.wait([self._following], timeout=0.1)

    def tell(self, event: str, value: Any) -> None:
        """Call the listeners of an event; one that raises is logged."""
        for listener in self.listeners[event]:
            try:
                listener(event, value)
            except Exception as error:  # noqa: BLE001 - foreign code
                _log.error("a listener of %r failed: %s", event, place_of(error))

    async def _follow(self) -> None:
        failures = 0
        while not self._stopped:
            try:
                async with self._applying:
                    applied = await self._apply_page()
                self._confirmed()
                failures = 0
                if not applied and self.view is not None:
                    await self._records.wait(self.view.revision, _HEARTBEAT)
            except (CacheFabricError, OSError, TimeoutError) as error:
                failures += 1
                self._lost(error, failures)
                await back_off(failures, _LONGEST_PAUSE)

    async def _apply_page(self) -> bool:
        """Apply what the log holds after the view; returns False when there was nothing."""
        assert self.view is not None
        page = await self._records.changes(self.view.revision)
        if was_missed(page, self.view.revision):
            view = await self._snapshot()
            self._emit(ResyncEvent(revision=view.revision))
            self.tell("changed", Resync(revision=page.head, reason=MISSED))
            return True
        if not page.items:
            return False
        await self._apply(page)
        return True

    async def _apply(self, page: Changes) -> None:
        assert self.view is not None
        items = [(c, item) for c in page.items for item in items_of(c, self._secret)]
        written = [(i["path"], i["version"]) for _, i in items if i["op"] != "label"]
        bodies = dict(zip(written, await self.bodies(written), strict=True))
        judged = [entry_id for c in page.items for entry_id in judged_of(c, self._secret)]
        marks = await self._records.read([MARKS + entry_id for entry_id in judged])
        heads = dict(self.view.heads)
        for change, item in items:
            head = heads.get(item["path"], (None, 0))[0]
            found = bodies.get((item["path"], item["version"]))
            following = advance(head, item, None if found is None else found[0])
            if following is not None:
                heads[item["path"]] = (following, change.revision)
        for entry_id, mark in zip(judged, marks, strict=True):
            self.verdicts.take(entry_id, mark)
        notes = [erased_of(change, self._secret) for change in page.items]
        erased = [note for note in notes if note is not None]
        if erased:
            kept = {record.key.removeprefix(HEADS) for record in await self._records.records(HEADS)}
            heads = {path: head for path, head in heads.items() if path in kept}
        self._replace(View(page.items[-1].revision, heads, self.freshness))
        for erasure in erased:
            self.tell("erased", erasure)
        for change in page.items:
            self._tell_of(change)
        for entry_id in judged:
            self.tell("judged", entry_id)

    def _tell_of(self, change: Change) -> None:
        changed = changes_of(change, self._secret)
        if changed:
            seconds = max(0.0, time.time() - change.at)
            event = ChangesEvent(revision=change.revision, count=len(changed), seconds=seconds)
            self._emit(event)
        for one in changed:
            self.tell("changed", one)
        retired = retired_of(change, self._secret)
        if retired is not None:
            self.tell("retired", retired)

    async def _snapshot(self) -> View:
        """Read everything at one revision: read until no commit came between."""
        while True:
            before = await self._records.changes(2**62, 1)
            found = await self._records.records(HEADS)
            marks = await self._records.records(MARKS)
            after = await self._records.changes(2**62, 1)
            if before.head == after.head:
                break
        heads = {
            record.key.removeprefix(HEADS): (self.head(record), record.revision) for record in found
        }
        self.verdicts.replace(marks)
        return self._replace(View(after.head, heads, self.freshness))

    def _replace(self, view: View) -> View:
        self.view = view
        self._advanced.set()
        self._advanced = asyncio.Event()
        return view

    def _confirmed(self) -> None:
        self.freshness.confirmed = time.monotonic()
        self.freshness.connected = True

    def _lost(self, error: Exception, failures: int) -> None:
        if failures == 1:
            self.freshness.connected = False
            self.tell("stale", error)
        elif self.freshness.age() > 10.0:
            self.tell("error", error)

    def head(self, record: Record) -> Head:
        """Return the head that a record holds; raises `CodecError`."""
        return msgspec.convert(codec.unpack(record.value, self._secret), Head)

    def _body(self, data: bytes) -> Body:
        return msgspec.convert(codec.unpack(data, self._secret), Body)
