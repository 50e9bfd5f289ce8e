"""Answers are taken back: by entry, context, tenant, user, tag or model, in every process.

The store is the authority and goes first; a vector that outlives its entry is never served and is
removed on sight. The change log then tells every process, which empties its hot tier and its write
queue of these answers and keeps none that was begun before. Hot tiers are searched as well, for
answers that the store does not hold, because they were evicted or never let in. A process hears of
it as fast as of a new context version; one that has lost the log forgets its whole hot tier when it
is back, and until then serves from it for at most ``hot_ttl`` seconds. Whose answers they were is
said by a keyed hash only: the log outlives them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from itertools import islice
from typing import Any

from cache_fabric import codec
from cache_fabric.case_keeping import CaseKeeping
from cache_fabric.context_view import note_of_retired
from cache_fabric.engine import Engine
from cache_fabric.errors import ValidationError
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.pacing import in_turns
from cache_fabric.records import ContextChange, Resync
from cache_fabric.selector import Selector
from cache_fabric.stores.base import CommitConflict, Store, Write
from cache_fabric.subject import Subject
from cache_fabric.taken_back import Invalidation, Retired
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import STATES, State

__all__ = ["Invalidations"]

_BATCH = 500
_MOST_TOLD = 1_000  # keys in one note of the change log
_PASSES = 10
_UNINDEXED = "e/vectors"
Meant = Callable[[CacheEntry], bool]


class Invalidations:
    """Finds kept answers, and takes them back.

    Args:
        engine: Holds the answers.
        live: Follows the change log.
        records: The store.
        keeping: Holds the answers that are quarantined or pinned.
        secret: Authenticates the notes of the log.
    """

    def __init__(
        self,
        engine: Engine,
        live: LiveContexts,
        records: Store,
        keeping: CaseKeeping,
        secret: bytes,
    ) -> None:
        self._engine = engine
        self._live = live
        self._keeping = keeping
        self._records = records
        self._secret = secret
        self._origin = secrets.token_hex(8)
        self._no_news = codec.pack({"items": []}, secret)
        self._searches: set[asyncio.Task[None]] = set()
        engine.kept.catch_up = lambda: live.catch_up(0)
        live.listeners["loaded"].append(lambda *_: engine.kept.missed())
        live.listeners["retired"].append(lambda _, retired: self._hear(retired))
        live.listeners["changed"].append(lambda _, change: self._hear_of_gap(change))

    async def find(self, selector: Selector, state: State, limit: int) -> list[CacheEntry]:
        """Return the newest answers of a state that are meant; reads every one of them once."""
        if limit < 1:
            raise ValidationError("limit", f"expected a whole number above 0, got {limit}")
        if state not in STATES:
            raise ValidationError("state", f"expected one of {', '.join(STATES)}, got {state!r}")
        if state == "active":
            await self._live.load()
            allows = self._engine.verdicts.allows
            found = [entry async for entry in self.matching(selector) if allows(entry)]
        else:
            found = await self._keeping.find(state, selector)
        return heapq.nlargest(limit, found, key=lambda entry: entry.created)

    async def apply(self, selector: Selector, *, dry_run: bool) -> Invalidation:
        """Delete the answers that are meant, for good and for everybody.

        Raises:
            ValidationError: The selector names nothing.
            BackendError: The store failed; what was deleted until then stays deleted.
        """
        selector.require_one()
        apart = await self._keeping.forget(selector, dry_run=dry_run)
        if dry_run:
            count = len([entry async for entry in self.matching(selector)])
            return Invalidation(apart + count, dry_run=True)
        self._engine.retirements.add(selector, time.monotonic())
        keys = [entry.exact async for entry in self.matching(selector)]
        await self._overtake(selector.matches)
        await self._delete(keys)
        await self._cool(selector)
        return Invalidation(apart + len(keys), revision=await self._tell(selector, keys))

    async def erase(self, subject: Subject, made: Collection[str]) -> int:
        """Delete the answers of a subject, and those of these ids that are nobody else's.

        It looks again until there are none: what another process wrote while this one was looking
        may have landed behind it. Which vectors are to go is written down first, for
        `erase_vectors`.

        Returns:
            How many there were.

        Raises:
            BackendError: The store failed; what was deleted until then stays so.
        """
        selector, meant, count = _selector(subject), _meant(subject, made), 0
        for _ in range(_PASSES):
            self._engine.retirements.add(selector, time.monotonic())
            keys = [entry.exact async for entry in self.matching(selector, meant)]
            await self._overtake(meant)
            await self.note_vectors(keys)
            await self._delete(keys, unindex=False)
            await self._cool(selector, meant)
            await self._tell(selector, keys)
            count += len(keys)
            if not keys:
                break
        return count

    async def erase_vectors(self) -> int:
        """Take the vectors of erased answers out of the index; returns how many.

        Also those that an earlier try, or a fabric without an index, left there. Raises
        `BackendError`.
        """
        [noted] = await self._records.read([_UNINDEXED])
        if noted is None or not self._engine.kept.is_indexed:
            return 0
        keys: list[str] = codec.unpack(noted.value, self._secret)
        for start in range(0, len(keys), _BATCH):
            await self._engine.semantic.delete(keys[start : start + _BATCH])
        with contextlib.suppress(CommitConflict):  # another erasure has noted more
            gone = Write(_UNINDEXED, None)
            expect = {_UNINDEXED: noted.revision}
            await self._records.commit([gone], note=self._no_news, expect=expect)
        return len(keys)

    async def count(self, subject: Subject, made: Collection[str]) -> int:
        """Return how many answers `erase` would delete."""
        selector, meant = _selector(subject), _meant(subject, made)
        return len([entry async for entry in self.matching(selector, meant)])

    async def count_all(self) -> int:
        """Return how many answers the store holds."""
        await self._engine.queue.write_now()
        await self._engine.store.open()
        return len([key async for key, _ in self._records.scan(ANSWERS)])

    async def clear(self) -> int:
        """Forget every answer of the namespace, in every process; returns how many there were."""
        count = await self._engine.clear()
        await self._keeping.index_pins()
        await self._tell(Selector(), None)
        return count

    async def matching(
        self, selector: Selector, meant: Meant | None = None
    ) -> AsyncIterator[CacheEntry]:
        """Yield the kept answers that are meant, by the selector unless ``meant`` says it."""
        meant = meant or selector.matches
        await self._engine.queue.write_now()
        if selector.entry is not None:
            one, pinned = await self._engine.entry(selector.entry), self._engine.verdicts.pinned
            if one is not None and selector.matches(one) and one.exact not in pinned:
                yield one
            return
        await self._engine.store.open()
        async for _, data in self._records.scan(ANSWERS):
            entry = self._engine.exact.read(data)
            if entry is not None and meant(entry):
                yield entry

    async def note_vectors(self, keys: Sequence[str]) -> None:
        """Write down that the vectors of these answers are to go; raises `BackendError`."""
        while keys:
            [noted] = await self._records.read([_UNINDEXED])
            before = [] if noted is None else codec.unpack(noted.value, self._secret)
            whole = codec.pack(list(dict.fromkeys([*before, *keys])), self._secret)
            expect = {_UNINDEXED: 0 if noted is None else noted.revision}
            with contextlib.suppress(CommitConflict):
                written = [Write(_UNINDEXED, whole)]
                await self._records.commit(written, note=self._no_news, expect=expect)
                return

    async def _delete(self, keys: Sequence[str], *, unindex: bool = True) -> None:
        waiting = iter(keys)
        while batch := list(islice(waiting, _BATCH)):
            await self._records.delete([ANSWERS + key for key in batch])
            self._engine.hot.discard(batch)
            self._engine.capacity.forget(batch)
            if unindex:
                await self._engine.kept.unindex(batch)

    async def _cool(self, selector: Selector, meant: Meant | None = None) -> None:
        """Take out of the hot tier what the store could not name."""
        hot, meant = self._engine.hot, meant or selector.matches
        keys = hot.keys() if selector.entry is None else [selector.entry.partition(".")[0]]
        async for key in in_turns(keys):
            entry = self._engine.exact.read(hot.get(key))
            if entry is not None and meant(entry):
                hot.discard([key])

    async def _overtake(self, is_meant: Meant) -> None:
        """Take back what waits to be written, and would land after the store was searched."""
        queue, meant = self._engine.queue, []
        async for item in in_turns(queue.items()):
            entry = self._engine.exact.read(item.data)
            if entry is not None and is_meant(entry):
                meant.append(item.key)
        held = queue.discard(meant)
        self._engine.kept.give_up(held)
        late = set(meant).difference(item.key for item in held)
        if late:  # on its way, or there by now
            await queue.write_now()
            self._engine.kept.retire(list(late))

    async def _tell(self, selector: Selector, keys: Sequence[str] | None) -> int:
        told = None if keys is None or len(keys) > _MOST_TOLD else tuple(keys)
        retired = Retired(self._origin, selector.veiled(self._secret).named(), told)
        note = note_of_retired(retired, self._secret)
        return await self._engine.store.demand(lambda: self._records.commit([], note=note))

    def _hear(self, retired: Retired) -> None:
        if retired.origin == self._origin:
            return
        selector, engine = Selector(**retired.named, secret=self._secret), self._engine
        engine.retirements.add(selector, time.monotonic())
        self._search(self._overtake(selector.matches))
        if retired.keys is not None:
            engine.hot.discard(retired.keys)
            engine.capacity.forget(retired.keys)
            self._search(self._cool(selector))
            return
        engine.hot.clear()
        if retired.named:
            engine.capacity.count_soon()
        else:
            engine.capacity.clear()

    def _search(self, work: Coroutine[Any, Any, None]) -> None:
        search = asyncio.get_running_loop().create_task(work)
        self._searches.add(search)
        search.add_done_callback(self._searches.discard)

    def _hear_of_gap(self, change: ContextChange | Resync) -> None:
        if isinstance(change, Resync):
            self._engine.hot.clear()
            self._engine.kept.missed()
            self._engine.capacity.count_soon()


def _selector(subject: Subject) -> Selector:
    return Selector(tenant=subject.tenant, user=subject.user)


def _meant(subject: Subject, made: Collection[str]) -> Meant:
    """Whether an answer is a subject's by its name; or by its id, if no other name is on it."""
    whose = _selector(subject)

    def meant(entry: CacheEntry) -> bool:
        if whose.matches(entry):
            return True
        free = subject.owns(entry.tenant or subject.tenant, entry.user or subject.user)
        return free and entry.id in made

    return meant
