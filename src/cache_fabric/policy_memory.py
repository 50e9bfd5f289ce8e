"""The states of policies that learn: in this process, in the store, and in what others learned.

A family's record is read before its first decision, within the time of an exact lookup. What is
learned after that is written at most half a minute later, after a hundred labels, when the family
has to make room for others, and at the end; several families go in one commit. A commit is a
compare-and-set: when another process wrote in between, both are added up (`policy.state`) and it is
tried again. A state that could not be read is a fresh one, which is added to the stored one later
in the same way, so that nothing stored is lost to a fault. Only a damaged record is written over,
and that is logged. What a commit wrote whose reply was lost may be added twice.

Embedder, weights and format are part of the key: processes that differ in them do not share what
they learn, and leave each other's records alone. Lives on the home loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from cache_fabric import codec
from cache_fabric.background import in_background
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CodecError
from cache_fabric.matcher.weights import Weights, prior_for
from cache_fabric.part import Degraded, Part
from cache_fabric.policy.base import Policy
from cache_fabric.policy.family import Family
from cache_fabric.policy.state import Learned, learned, merged, resume
from cache_fabric.policy.state_format import FORMAT, StateError, digest_of_prior, plain, read
from cache_fabric.stores.base import CommitConflict, Record, Store, Write

__all__ = ["STATES", "PolicyMemory"]

STATES = "p/"
_FAMILIES = 64
_TOGETHER = 8  # states in one commit, each below a megabyte
_TRIES = 5
_BUDGET = 5.0  # seconds that a read or a write may take when no request waits for it
_log = logging.getLogger("cache_fabric")


class _Slot:
    """One state in this process.

    ``base`` is what it was when it last agreed with the store, of which ``revision`` says when.
    """

    def __init__(self, state: Any, key: str) -> None:
        self.state = state
        self.key = key
        self.loading: asyncio.Task[None] | None = None
        self.revision = 0
        self.labels = 0
        self.base: Learned | None = learned(state) if isinstance(state, Family) else None

    @property
    def has_news(self) -> bool:
        """A family that never had a neighbor is not worth a record."""
        if self.base is None or not self.state.budget.judged:
            return False
        return self.labels > 0 or self.state.budget.requests > self.base.requests


class PolicyMemory:
    """States by policy and family, at most 64 of them at a time.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        embedder: Identity of what similarities come from.
        config: The secret, and the time that a lookup may wait.
        every_labels: Labels of a family after which it is written.
        every_seconds: Seconds after the first news in which they are written.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        embedder: str,
        config: FabricConfig,
        *,
        every_labels: int = 100,
        every_seconds: float = 30.0,
    ) -> None:
        self._store = store
        self._records = records
        self._embedder = embedder
        self._config = config
        self._every_labels = every_labels
        self._every_seconds = every_seconds
        self._slots: OrderedDict[tuple[Policy, str], _Slot] = OrderedDict()
        self._evicted: list[_Slot] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def ready(self, policy: Policy, family: str) -> None:
        """Read what is stored of a family at its first use; never raises for a fault."""
        loading = self._slot(policy, family).loading
        if loading is not None:
            await asyncio.shield(loading)

    def state(self, policy: Policy, family: str) -> Any:
        """Return the state of a family; a fresh one where nothing was read."""
        return self._slot(policy, family).state

    def states(self, family: str) -> Iterator[Any]:
        """Return the states that the policies of this process have of a family."""
        return (slot.state for (_, known), slot in self._slots.items() if known == family)

    def changed(self, policy: Policy, family: str, *, labels: int = 0) -> None:
        """Take note that a state has decided, or learned; it will be written in time."""
        slot = self._slot(policy, family)
        slot.labels += labels
        if not slot.has_news:
            return
        if slot.labels >= self._every_labels:
            self._write_soon()
        else:
            self._write_later()

    async def write(self) -> None:
        """Write all that is new, and take in what others wrote; a fault leaves it for later."""
        async with self._turn:
            self._stop_timer()
            waiting = [slot for slot in self._slots.values() if slot.has_news]
            while waiting := self._evicted + waiting:
                self._evicted = []
                # Like policies share a key, and a family that came back has one with itself.
                batch = list({slot.key: slot for slot in waiting}.values())[:_TOGETHER]
                waiting = [slot for slot in waiting if slot not in batch]
                await self._sync(batch)
        if any(slot.has_news for slot in self._slots.values()):
            self._write_later()

    def stop(self) -> None:
        """End all that goes on by itself; what was not written is lost."""
        self._stop_timer()
        loads = [slot.loading for slot in self._slots.values() if slot.loading is not None]
        for task in (*self._writing, *loads):
            task.cancel()

    def _slot(self, policy: Policy, family: str) -> _Slot:
        place = (policy, family)
        if place not in self._slots:
            state = policy.new_state(self._embedder)
            slot = self._slots[place] = _Slot(state, self._key(policy, family, state))
            if slot.base is not None:
                slot.loading = asyncio.get_running_loop().create_task(self._load(slot))
            if len(self._slots) > _FAMILIES:
                _, oldest = self._slots.popitem(last=False)
                if oldest.has_news and len(self._evicted) < _FAMILIES:
                    self._evicted.append(oldest)
                    self._write_soon()
        self._slots.move_to_end(place)
        return self._slots[place]

    def _key(self, policy: Policy, family: str, state: Any) -> str:
        if not isinstance(state, Family):
            return ""
        limits = (state.budget.max_error, state.budget.wrong_share)
        meaning = (policy.name, *limits, FORMAT, self._embedder, self._prior[1])
        mark = hashlib.blake2b(repr(meaning).encode(), digest_size=8).hexdigest()
        return f"{STATES}{family}/{mark}"

    @cached_property
    def _prior(self) -> tuple[Weights, str]:
        prior = prior_for(self._embedder)
        return prior, digest_of_prior(prior)

    def _write_soon(self) -> None:
        if self._writing:
            return
        task = in_background(self.write())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _write_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every_seconds, self._write_soon)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _load(self, slot: _Slot) -> None:
        try:
            found = await self._store.attempt(
                lambda: self._records.read([slot.key]), self._config.exact_timeout
            )
        except Degraded:
            return  # the first write finds out
        await self._take_in(slot, found[0])

    async def _sync(self, slots: Sequence[_Slot]) -> None:
        loads = [slot.loading for slot in slots if slot.loading is not None]
        await asyncio.wait(loads)
        keys = [slot.key for slot in slots]
        for _ in range(_TRIES):
            try:
                if await self._store.attempt(lambda: self._commit(slots), _BUDGET):
                    return
                found = await self._store.attempt(lambda: self._records.read(keys), _BUDGET)
            except Degraded:
                return
            for slot, record in zip(slots, found, strict=True):
                await self._take_in(slot, record)
        _log.warning(
            "what was learned could not be written in %d tries, it stays for later", _TRIES
        )

    async def _commit(self, slots: Iterable[_Slot]) -> bool:
        """Write these states if nobody else has; returns False when somebody had."""
        written = [(slot, learned(slot.state), slot.labels) for slot in slots]
        writes = [
            Write(slot.key, await asyncio.to_thread(self._packed, state))
            for slot, state, _ in written
        ]
        # Followers of the change log look for contexts and for retired answers: there are none.
        note = codec.pack({"items": []}, self._config.secret)
        expect = {slot.key: slot.revision for slot, _, _ in written}
        try:
            revision = await self._records.commit(writes, note=note, expect=expect)
        except CommitConflict:
            return False
        for slot, state, labels in written:
            slot.base, slot.revision = state, revision
            slot.labels -= labels
        return True

    async def _take_in(self, slot: _Slot, record: Record | None) -> None:
        """Add what is stored to a state that does not know it yet."""
        assert slot.base is not None
        if record is None:
            slot.revision = 0
        elif record.revision != slot.revision:
            theirs = await asyncio.to_thread(self._read, record)
            slot.revision = record.revision
            if theirs is not None:
                resume(slot.state, merged(theirs, learned(slot.state), slot.base))
                slot.base = theirs

    def _packed(self, state: Learned) -> bytes:
        return codec.pack(plain(state, self._embedder, self._prior[0]), self._config.secret)

    def _read(self, record: Record) -> Learned | None:
        try:
            data = codec.unpack(record.value, self._config.secret)
            return read(data, self._embedder, self._prior[0])
        except (CodecError, StateError) as error:
            _log.warning("a policy starts anew, its stored state cannot be used: %s", error)
            return None
