"""The cases of answers as records, changed by compare-and-set.

``j/`` holds a case, ``k/`` the mark that every process keeps of a quarantined or pinned answer,
``w/`` the account of an annotator's last hour, by a keyed hash of the name. What one vote changes
is committed in one step, with a note for the change log: who loses the race reads again, so no vote
is lost and no limit is passed, whatever the processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.annotator_account import Account
from cache_fabric.backoff import back_off
from cache_fabric.config import FabricConfig
from cache_fabric.context_view import note_of_judged
from cache_fabric.engine import Engine
from cache_fabric.errors import BackendError, CacheFabricError
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.live_verdicts import MARKS, Mark
from cache_fabric.stores.base import CommitConflict, Record, Store, Write
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import Case

__all__ = ["ACCOUNTS", "CASES", "Cases", "Docket", "about"]

CASES = "j/"
ACCOUNTS = "w/"
_PAIRS = 4  # wrong questions that are remembered of one answer
_TRIES = 64
_LONGEST_PAUSE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Docket:
    """What one change reads and writes.

    Attributes:
        cases: By the id of their entry.
        envelopes: Bytes of the answers, ``None`` of those that are gone.
        account: Of the annotator.
        revision: Of the commit that wrote it.
    """

    cases: Mapping[str, Case]
    envelopes: Mapping[str, bytes | None]
    account: Account = field(default_factory=Account)
    revision: int = 0

    def having(self, *cases: Case, account: Account | None = None) -> Docket:
        """Return the docket with these cases in place of what they were."""
        changed = {**self.cases, **{case.id: case for case in cases}}
        return replace(self, cases=changed, account=account or self.account)


class Cases:
    """Reads cases and changes them.

    Args:
        engine: Holds the answers.
        live: Follows the change log.
        records: The store.
        config: The secret, and how many have to agree.
    """

    def __init__(
        self, engine: Engine, live: LiveContexts, records: Store, config: FabricConfig
    ) -> None:
        self._engine = engine
        self._live = live
        self._records = records
        self._secret = config.secret
        self.agreements = config.feedback_agreements
        self._writing = asyncio.Lock()

    async def find(self, entry_id: str) -> Case | None:
        """Return the case of an answer, ``None`` if nobody has said anything of it."""
        await self._live.load()
        key = CASES + entry_id
        record = (await self._engine.store.demand(lambda: self._records.read([key])))[0]
        return None if record is None else self.read_one(record)

    async def read(self, ids: Sequence[str]) -> list[Case]:
        """Return the cases of answers, as far as there are any."""
        keys = [CASES + entry_id for entry_id in ids]
        found = await self._engine.store.demand(lambda: self._records.read(keys))
        return [self.read_one(record) for record in found if record is not None]

    def read_one(self, record: Record) -> Case:
        """Return the case that a record holds; raises `CodecError`."""
        return msgspec.convert(codec.unpack(record.value, self._secret), Case)

    async def drop_accounts(self, prefix: str, now: float) -> None:
        """Delete the accounts that say nothing of the last hour; raises `BackendError`."""
        for record in await self._engine.store.demand(lambda: self._records.records(prefix)):
            if not self._account(record).since(now).acts:
                note = note_of_judged((), self._secret)
                with contextlib.suppress(CommitConflict):
                    expect = {record.key: record.revision}
                    await self._records.commit([Write(record.key, None)], note=note, expect=expect)

    async def change(
        self,
        ids: Iterable[str],
        step: Callable[[Docket], Awaitable[Docket]],
        annotator: str | None = None,
    ) -> tuple[Docket, Docket]:
        """Apply a step and commit what it changed; returns the docket before and after it.

        The docket holds the named cases and those of the pins that their votes name. The step may
        be called several times.

        Raises:
            BackendError: The store failed, or went on being changed by others.
        """
        await self._live.load()
        name = None if annotator is None else self._account_key(annotator)
        async with self._writing:  # our own writers queue up, only other processes can conflict
            for attempt in range(_TRIES):
                before, revisions = await self._read(list(ids), name)
                after = await step(before)
                writes, judged = self._writes(before, after, name)
                if not writes:
                    return before, before
                note = note_of_judged(judged, self._secret)
                try:
                    revision = await self._records.commit(writes, note=note, expect=revisions)
                except CommitConflict:
                    await back_off(attempt, _LONGEST_PAUSE)
                    continue
                after = replace(after, revision=revision)
                await self._make_known(after, judged)
                return before, after
        raise BackendError("store", "commit", f"others changed the same answers {_TRIES} times")

    async def _make_known(self, after: Docket, judged: Sequence[str]) -> None:
        """Let this process know first; the others hear of it by the change log."""
        for entry_id in judged:
            if after.cases[entry_id].standing(self.agreements) == "quarantined":
                self._engine.verdicts.bar(entry_id)
        if judged:
            with contextlib.suppress(CacheFabricError):  # it is written; the follower will see it
                await self._live.catch_up(after.revision)

    def mark(self, case: Case) -> Mark | None:
        """Return what every process has to know of a case, if anything."""
        state = case.standing(self.agreements)
        if state == "active" or case.closed:
            return None
        return Mark(
            id=case.id,
            at=case.at,
            pinned=self._for_ever(case.envelope) if state == "pinned" else None,
            partition=(case.about or {}).get("partition", ""),
            negatives=tuple(case.negatives()[:_PAIRS]) if state == "quarantined" else (),
        )

    def _for_ever(self, data: bytes | None) -> bytes | None:
        """Return the envelope of an answer that does not expire while it is pinned."""
        if data is None:
            return None
        entry = codec.decode(data, self._secret)
        if entry.expires is None:
            return data
        return codec.encode(replace(entry, expires=None), self._secret)

    async def _read(self, ids: list[str], account: str | None) -> tuple[Docket, dict[str, int]]:
        cases: dict[str, Case] = {}
        revisions: dict[str, int] = {}
        wanted = ids
        while wanted:
            keys = [CASES + entry_id for entry_id in wanted]
            for key, record in zip(keys, await self._records.read(keys), strict=True):
                entry_id = key.removeprefix(CASES)
                revisions[key] = 0 if record is None else record.revision
                cases[entry_id] = Case(id=entry_id) if record is None else self.read_one(record)
            named = {v.pin for entry_id in wanted for v in cases[entry_id].votes if v.pin}
            wanted = sorted(named - cases.keys())
        sums = Account()
        if account is not None:
            record = (await self._records.read([account]))[0]
            revisions[account] = 0 if record is None else record.revision
            if record is not None:
                sums = self._account(record)
        envelopes = {case.id: case.envelope or await self._kept(case.id) for case in cases.values()}
        return Docket(cases=cases, envelopes=envelopes, account=sums), revisions

    async def _kept(self, entry_id: str) -> bytes | None:
        """Return the envelope of an answer, wherever it is kept."""
        exact, engine = entry_id.partition(".")[0], self._engine
        for data in (engine.queue.get(exact), engine.hot.get(exact)):
            if self._is(data, entry_id):
                return data
        data = await self._records.get(ANSWERS + exact)
        return data if self._is(data, entry_id) else None

    def _is(self, data: bytes | None, entry_id: str) -> bool:
        entry = self._engine.exact.read(data)
        return entry is not None and entry.id == entry_id

    def _writes(
        self, before: Docket, after: Docket, account: str | None
    ) -> tuple[list[Write], list[str]]:
        writes, judged = [], []
        for entry_id, case in after.cases.items():
            earlier = before.cases.get(entry_id)
            if case == earlier:
                continue
            blank = case == Case(id=entry_id)
            data = None if blank else codec.pack(case, self._secret)
            writes.append(Write(CASES + entry_id, data))
            mark, was = self.mark(case), None if earlier is None else self.mark(earlier)
            if mark != was:
                told = None if mark is None else codec.pack(mark, self._secret)
                writes.append(Write(MARKS + entry_id, told))
                judged.append(entry_id)
        if account is not None and after.account != before.account:
            writes.append(Write(account, codec.pack(after.account, self._secret)))
        return writes, judged

    def _account(self, record: Record) -> Account:
        return msgspec.convert(codec.unpack(record.value, self._secret), Account)

    def _account_key(self, annotator: str) -> str:
        name = annotator.encode("utf-8", "surrogatepass")
        return ACCOUNTS + hmac.digest(self._secret, name, "sha256").hex()[:32]


def about(entry: CacheEntry) -> dict[str, Any]:
    """Return what is known of an answer, without a word of it."""
    return {
        "model": entry.model,
        "partition": entry.partition,
        "tenant": entry.tenant,
        "user": entry.user,
        "tags": list(entry.tags),
        "contexts": [list(one) for one in entry.contexts],
        "embedder": entry.embedder,
        "created": entry.created,
        "expires": entry.expires,
        "latency": entry.latency,
        "cost_micros": entry.cost_micros,
        "origin": entry.origin,
        "tokens": None if entry.usage is None else entry.usage.total_tokens,
    }
