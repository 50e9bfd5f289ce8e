"""Contexts: writes by compare-and-set, reads from the live view, history from the store.

The rules of a write are pure and live in `context_rules`; a write reads the heads it touches,
applies its operations, and commits heads, bodies and one note for the change log in one atomic
step. Who loses the race reads again, so no write is ever lost silently.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from cache_fabric import codec
from cache_fabric.context_rules import Body, Head, Rollback, Step
from cache_fabric.context_view import View, changes_of, diff_of, entry_of, is_there, was_missed
from cache_fabric.errors import BackendUnavailable, CacheFabricError, NotFound, ValidationError
from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.publish_event import Written, event_of_write
from cache_fabric.live_contexts import HEADS, MISSED, LiveContexts, version_key
from cache_fabric.live_verdicts import LiveVerdicts
from cache_fabric.part import Part
from cache_fabric.records import ContextChange, ContextDiff, ContextEntry, ContextSnapshot, Resync
from cache_fabric.scopes import Owner
from cache_fabric.stores.base import CommitConflict, Store, Write
from cache_fabric.types import ContextScope

__all__ = ["Contexts", "Operation"]

_PAGE = 1000
_WAIT = 5.0
_VERSIONS = 64  # of at most 1 MiB


class Operation(Written, Protocol):
    """A pure step of `context_rules`."""

    def apply(self, head: Head | None, now: float) -> Step | None:
        """Return what becomes of the head, ``None`` where it stays as it is."""


class Contexts:
    """Contexts over the record half of a store.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
        verdicts: On answers; they travel on the same change log.
        emit: Hears of every write, and of what became current here.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        secret: bytes,
        verdicts: LiveVerdicts,
        emit: Callable[[Event], None],
    ) -> None:
        self.live = LiveContexts(store, records, secret, verdicts, emit)
        self._store = store
        self._records = records
        self._secret = secret
        self._emit = emit
        self._writing = asyncio.Lock()
        self._versions: dict[tuple[str, int], tuple[Body, int]] = {}
        self.live.listeners["changed"].append(lambda _, change: self._hear(change))
        self.live.listeners["erased"].append(lambda *_: self._versions.clear())

    async def write(self, operations: Sequence[tuple[str, Operation]]) -> list[ContextEntry]:
        """Apply operations on paths at one revision, all or none; returns the entries after it.

        Raises what the operations raise; then nothing was written.
        """
        started, writes = time.monotonic(), [operation for _, operation in operations]
        try:
            entries = await self._write(operations)
        except Exception as error:
            self._emit(event_of_write(writes, time.monotonic() - started, error))
            raise
        revision = entries[0].revision if entries else None
        self._emit(event_of_write(writes, time.monotonic() - started, revision))
        return entries

    async def _write(self, operations: Sequence[tuple[str, Operation]]) -> list[ContextEntry]:
        await self.live.load()
        async with self._writing:  # our own writers queue up, only other processes can conflict
            while True:
                steps, writes, expect = await self._planned(operations)
                items = [_item(path, step) for path, step in steps]
                data = codec.pack({"items": items}, self._secret)
                try:
                    revision = await self._records.commit(writes, note=data, expect=expect)
                except CommitConflict:
                    await asyncio.sleep(random.random() / 500)  # noqa: S311 - jitter
                    continue
                break
        with contextlib.suppress(CacheFabricError):  # it is written; the follower will see it
            await self.live.catch_up(revision)
        return [
            entry_of(step.head.body, revision, step.head, self.live.freshness) for _, step in steps
        ]

    async def get(
        self,
        key: str,
        scope: ContextScope | None,
        owner: Owner,
        *,
        version: int | None = None,
        label: str | None = None,
        max_staleness: float | None = None,
    ) -> ContextEntry | None:
        """Return a version from the narrowest scope that has the key, or ``None``.

        Raises:
            BackendUnavailable: Nothing is known yet and the store cannot be reached, or what is
                known is older than ``max_staleness`` seconds.
        """
        view = await self.live.load()
        if max_staleness is not None and self.live.freshness.age() > max_staleness:
            view = await self._refreshed(max_staleness)
        levels = owner.levels() if scope is None else (scope,)
        for depth, level in enumerate(levels, 1):
            path = owner.path(level, key)
            head, revision = view.heads.get(path, (None, 0))
            if head is None or not is_there(head, time.time()):
                continue
            wanted = _wanted(head, key, version, label)
            if wanted == head.body.version:
                return entry_of(head.body, revision, head, self.live.freshness, levels[:depth])
            return await self._version(path, key, wanted, head)
        return None

    async def history(self, path: str) -> list[ContextEntry]:
        """Return every version, tombstones too, oldest first; empty for an unknown key."""
        head = (await self.live.catch_up(0)).heads.get(path, (None, 0))[0]
        last = 0 if head is None else head.body.version
        found = await self.live.bodies([(path, number) for number in range(1, last + 1)])
        return [entry_of(f[0], f[1], head, self.live.freshness) for f in found if f is not None]

    async def diff(self, path: str, key: str, a: int, b: int) -> ContextDiff:
        """Return a unified diff of two versions' values; empty when they are the same."""
        one, two = [await self._version(path, key, number, None) for number in (a, b)]
        return diff_of(one.value, two.value, f"{key}@{a}", f"{key}@{b}")

    async def rollback(
        self, path: str, key: str, version: int, author: str | None, message: str | None
    ) -> ContextEntry:
        """Make an earlier version current again; raises `NotFound` for an unknown one."""
        found = (await self.live.bodies([(path, version)]))[0] if version >= 1 else None
        if found is None or found[0].deleted:
            raise NotFound(f"{key}: no version {version} to roll back to")
        step = Rollback(key=key, old=found[0], author=author, message=message)
        return (await self.write([(path, step)]))[0]

    async def visible(self, owner: Owner, prefix: str = "") -> list[ContextEntry]:
        """Return the current version of every context in the scopes of an owner, by key."""
        return self._visible(await self.live.load(), owner, prefix)

    async def snapshot(self, owner: Owner, prefix: str = "") -> ContextSnapshot:
        """Return what an owner sees, and as of which revision."""
        view = await self.live.load()
        narrowest: dict[str, ContextEntry] = {}
        for entry in self._visible(view, owner, prefix):
            narrowest.setdefault(entry.key, entry)
        stale = not self.live.freshness.connected
        entries = tuple(narrowest.values())
        return ContextSnapshot(revision=view.revision, entries=entries, stale=stale)

    async def changes(
        self, after: int, prefix: str, owner: Owner
    ) -> tuple[list[ContextChange | Resync], int]:
        """Return what changed after a revision, waiting a little for it, and where to go on."""
        await self.live.wait(after, _WAIT)
        page = await self._records.changes(after, _PAGE)
        if was_missed(page, after):
            return [Resync(revision=page.head, reason=MISSED)], page.head
        seen = tuple(owner.prefix(level) + prefix for level in owner.levels())
        found: list[ContextChange | Resync] = []
        for change in page.items:
            found += changes_of(change, self._secret, seen)
        return found, page.items[-1].revision if page.items else after

    def _visible(self, view: View, owner: Owner, prefix: str) -> list[ContextEntry]:
        """Return what an owner sees by key, of one key the narrower scope first."""
        found = [
            entry_of(head.body, revision, head, self.live.freshness)
            for level in owner.levels()
            for path, (head, revision) in view.heads.items()
            if path.startswith(owner.prefix(level) + prefix)
            if is_there(head, time.time())
        ]
        return sorted(found, key=lambda entry: entry.key)

    async def _planned(
        self, operations: Sequence[tuple[str, Operation]]
    ) -> tuple[list[tuple[str, Step]], list[Write], dict[str, int]]:
        paths = list(dict.fromkeys(path for path, _ in operations))
        records = await self._store.demand(
            lambda: self._records.read([HEADS + path for path in paths])
        )
        heads = {
            path: None if record is None else self.live.head(record)
            for path, record in zip(paths, records, strict=True)
        }
        expect = {HEADS + p: r.revision if r else 0 for p, r in zip(paths, records, strict=True)}
        steps: list[tuple[str, Step]] = []
        bodies: list[Write] = []
        for path, operation in operations:
            step = operation.apply(heads[path], time.time())
            if step is None:
                continue
            heads[path] = step.head
            steps.append((path, step))
            if step.body is not None:
                key = version_key(path, step.body.version)
                bodies.append(Write(key, self._packed(step.body)))
        written = dict.fromkeys(path for path, _ in steps)
        writes = [Write(HEADS + p, self._packed(heads[p])) for p in written]
        return steps, [*bodies, *writes], expect

    async def _version(self, path: str, key: str, version: int, head: Head | None) -> ContextEntry:
        found = await self._immutable(path, version) if version >= 1 else None
        if found is None:
            raise NotFound(f"{key}: no version {version}")
        return entry_of(found[0], found[1], head, self.live.freshness)

    async def _immutable(self, path: str, version: int) -> tuple[Body, int] | None:
        """Return a version and its revision, from the store only once: a label costs no I/O."""
        place = (path, version)
        if place not in self._versions:
            found = (await self.live.bodies([place]))[0]
            if found is None:
                return None
            while len(self._versions) >= _VERSIONS:
                del self._versions[next(iter(self._versions))]
            self._versions[place] = found
        return self._versions[place]

    def _hear(self, change: ContextChange | Resync) -> None:
        if isinstance(change, Resync):  # a log that went back uses its versions again
            self._versions.clear()

    async def _refreshed(self, max_staleness: float) -> View:
        try:
            return await self.live.catch_up(0)
        except Exception as error:
            age = self.live.freshness.age()
            raise BackendUnavailable(
                "contexts", "get", f"last known {age:.1f} s ago, asked for {max_staleness:g} s"
            ) from error

    def _packed(self, value: Any) -> bytes:
        return codec.pack(asdict(value), self._secret)


def _item(path: str, step: Step) -> dict[str, Any]:
    body = step.head.body
    said = step if step.label else body  # a label's move is not the doing of the version's author
    return {
        "op": step.op,
        "path": path,
        "key": body.key,
        "scope": body.scope,
        "version": step.head.labels[step.label] if step.label else body.version,
        "behaviour": body.behaviour,
        "before": step.before,
        "label": step.label,
        "author": said.author,
        "message": said.message,
    }


def _wanted(head: Head, key: str, version: int | None, label: str | None) -> int:
    if version is not None and label is not None:
        raise ValidationError("version", "expected a version or a label, not both")
    if label is not None:
        if label not in head.labels:
            known = ", ".join(sorted(head.labels)) or "none"
            raise NotFound(f"{key}: no label {label!r}, known: {known}")
        return head.labels[label]
    return head.body.version if version is None else version
