"""Guards on labels: when feedback says that a version does badly, its label goes back.

A guard is one record for each label of a context. Whichever process records a feedback looks at the
guards that it concerns, and moves the label by the ordinary step, only from the version that was
judged: of several processes one moves it, and a person who moves it meanwhile has the last word.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.context_rules import Label
from cache_fabric.contexts import Contexts
from cache_fabric.errors import CodecError, NotFound, VersionConflict
from cache_fabric.fault_place import place_of
from cache_fabric.guard_rules import MOST_SAMPLES, crossed, is_armed, sample, why
from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.guard_event import GuardEvent, GuardOutcome
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.label_history import LabelMoved, last_move
from cache_fabric.part import Part
from cache_fabric.records import Feedback
from cache_fabric.scopes import SEPARATOR, Owner
from cache_fabric.stores.base import CommitConflict, Record, Store, Write
from cache_fabric.stores.documents import Query
from cache_fabric.subject import Subject
from cache_fabric.version_records import LabelGuard, LabelReturn

__all__ = ["GUARDS", "LabelGuards"]

GUARDS = "g/"
_AUTHOR = "label guard"
_PATIENCE = 10.0  # seconds that a feedback may wait for what its guards do
_log = logging.getLogger("cache_fabric")


class LabelGuards:
    """The guards of one namespace; lives on the home loop.

    Args:
        contexts: Whose labels are guarded.
        feedback: What the versions are judged by.
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
        emit: Hears what guards do.
    """

    def __init__(
        self,
        contexts: Contexts,
        feedback: KeptFeedback,
        store: Part,
        records: Store,
        secret: bytes,
        emit: Callable[[Event], None],
    ) -> None:
        self._contexts = contexts
        self._feedback = feedback
        self._store = store
        self._records = records
        self._secret = secret
        self._emit = emit
        self._turn = asyncio.Lock()
        self._due: set[str] = set()
        self._moves: dict[tuple[str, str], LabelMoved | None] = {}
        contexts.live.listeners["changed"].append(lambda _, change: self._hear(change))

    async def put(self, guard: LabelGuard) -> LabelGuard:
        """Keep a guard, armed, in the place of an earlier one; raises `NotFound` for no label."""
        view = await self._contexts.live.catch_up(0)
        path = _path(guard)
        head = view.heads[path][0] if path in view.heads else None
        if head is None or head.body.deleted:
            raise NotFound(f"no context {guard.key!r} to guard a label of")
        if guard.label not in head.labels:
            known = ", ".join(sorted(head.labels)) or "none"
            raise NotFound(f"{guard.key}: no label {guard.label!r} to guard, known: {known}")
        await self._commit(Write(_record_key(guard), codec.pack(guard, self._secret)))
        return guard

    async def all(self) -> list[LabelGuard]:
        """Return every guard, by scope, key and label."""
        found = await self._store.demand(lambda: self._records.records(GUARDS))
        return [self._guard(record) for record in found]

    async def remove(self, key: str, label: str, tenant: str | None) -> bool:
        """Take a guard away; returns whether there was one."""
        name = _name(key, label, tenant)
        found = await self._store.demand(lambda: self._records.read([name]))
        if found[0] is None:
            return False
        await self._commit(Write(name, None))
        return True

    async def heard(self, feedback: Feedback) -> None:
        """Look at the guards that a kept feedback concerns; a fault of theirs is only told.

        Of many feedbacks at once, one looks for all that came before it.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                concerned = await self._concerned(feedback)
                self._due |= concerned
                async with self._turn:
                    due, self._due = self._due, set()
                    if due:
                        await self._look(due)
        except Exception as error:  # noqa: BLE001 - the feedback is kept and has its effect on answers
            _log.error("the label guards could not be looked at: %s", place_of(error))
            self._emit(GuardEvent(outcome="fault"))

    async def erase(self, subject: Subject) -> int:
        """Delete the guards of a tenant's own contexts; returns how many there were."""
        if subject.user is not None:
            return 0  # there are none of a user's
        hers = [guard for guard in await self.all() if guard.tenant == subject.tenant]
        for guard in hers:
            await self._commit(Write(_record_key(guard), None))
        return len(hers)

    async def _concerned(self, feedback: Feedback) -> set[str]:
        """Return the records of guards that there may be of what a feedback is about."""
        if not any(version for _, version in feedback.contexts):
            return set()
        view = await self._contexts.live.load()
        owner = Owner(feedback.tenant, feedback.user)
        found: set[str] = set()
        for key, version in feedback.contexts:
            path = view.path_of(key, owner)
            labels = {} if path is None else view.heads[path][0].labels
            found |= {f"{GUARDS}{path}{SEPARATOR}{n}" for n, at in labels.items() if at == version}
        return found

    async def _look(self, names: set[str]) -> None:
        records = await self._store.demand(lambda: self._records.read(sorted(names)))
        for record in records:
            if record is not None:
                await self._judge(record, self._guard(record))

    async def _judge(self, record: Record, guard: LabelGuard) -> None:
        view = await self._contexts.live.load()
        head = view.heads[_path(guard)][0] if _path(guard) in view.heads else None
        version = None if head is None or head.body.deleted else head.labels.get(guard.label)
        if version is None or not is_armed(guard, version):
            return
        moved = await self._last_move(guard)
        if moved is not None and moved.version != version:
            return  # it is being moved: the next feedback sees where it went
        since = max(time.time() - guard.window, 0.0 if moved is None else moved.at)
        samples = await self._samples(guard, version, since)
        figure = crossed(guard, samples)
        if figure is not None:
            reason = why(guard, version, figure, len(samples))
            await self._fire(record, guard, version, moved, reason)

    async def _samples(self, guard: LabelGuard, version: int, since: float) -> list[float]:
        terms = frozenset([("context", f"{guard.key}@{version}")])
        found: list[float] = []
        view = await self._contexts.live.load()
        async for page in self._feedback.pages(Query(terms=terms, since=since)):
            for one in page:
                if view.path_of(guard.key, Owner(one.tenant, one.user)) == _path(guard):
                    value = sample(guard, one)
                    found += [] if value is None else [value]
            if len(found) >= MOST_SAMPLES:
                break
        return found[:MOST_SAMPLES]

    async def _fire(
        self,
        record: Record,
        guard: LabelGuard,
        version: int,
        moved: LabelMoved | None,
        reason: str,
    ) -> None:
        """Move the label, or note why not. The label goes first: should this process die in
        between, the log still says that a guard moved it."""
        target, hindrance = _target(moved)
        done = False
        if target is not None and not guard.dry_run:
            try:
                await self._move(guard, version, target, reason)
            except VersionConflict:
                return  # a person, or the guard in another process, was faster
            done = True
        told = reason if hindrance is None else f"{reason}; not moved: {hindrance}"
        outcome: GuardOutcome = "moved" if done else "stuck" if target is None else "would_move"
        _log.warning("label guard of %s@%s: %s (%s)", guard.key, guard.label, told, outcome)
        self._emit(GuardEvent(outcome=outcome, key=guard.key, label=guard.label))
        fired = LabelReturn(
            at=datetime.now(UTC), from_version=version, to_version=target, why=told, moved=done
        )
        data = codec.pack(replace(guard, fired=fired), self._secret)
        try:
            await self._commit(Write(record.key, data), {record.key: record.revision})
        except CommitConflict:
            return  # set anew meanwhile, or noted by another process

    async def _move(self, guard: LabelGuard, version: int, target: int, reason: str) -> None:
        step = Label(
            key=guard.key,
            label=guard.label,
            version=target,
            if_version=version,
            author=_AUTHOR,
            message=f"back from version {version} to {target}: {reason}",
        )
        await self._contexts.write([(_path(guard), step)])

    async def _last_move(self, guard: LabelGuard) -> LabelMoved | None:
        place = (_path(guard), guard.label)
        if place not in self._moves:
            self._moves[place] = await last_move(self._records, self._secret, *place)
        return self._moves[place]

    def _guard(self, record: Record) -> LabelGuard:
        try:
            return msgspec.convert(codec.unpack(record.value, self._secret), LabelGuard)
        except msgspec.ValidationError as error:
            raise CodecError("the envelope does not hold a label guard") from error

    async def _commit(self, write: Write, expect: dict[str, int] | None = None) -> None:
        # Followers of the change log look for contexts and for retired answers: there are none.
        note = codec.pack({"items": []}, self._secret)
        await self._store.demand(lambda: self._records.commit([write], note=note, expect=expect))

    def _hear(self, change: Any) -> None:
        if getattr(change, "op", "label") == "label":  # a resync may have hidden one
            self._moves.clear()


def _target(moved: LabelMoved | None) -> tuple[int | None, str | None]:
    """Return the version to go back to, or why there is none."""
    if moved is None:
        return None, "the change log no longer tells where the label was before"
    if moved.author == _AUTHOR:
        return None, "a guard has put it here, and the version before did badly too"
    if moved.before is None:
        return None, "the label has never pointed at another version"
    return moved.before, None


def _path(guard: LabelGuard) -> str:
    owner = Owner(guard.tenant)
    return owner.path(owner.levels()[0], guard.key)


def _record_key(guard: LabelGuard) -> str:
    return _name(guard.key, guard.label, guard.tenant)


def _name(key: str, label: str, tenant: str | None) -> str:
    owner = Owner(tenant)
    return f"{GUARDS}{owner.path(owner.levels()[0], key)}{SEPARATOR}{label}"
