"""The cases as a whole: listed, forgotten, erased, and kept within bounds.

Bounds: of quarantined answers the newest 5,000 can be restored; from older ones the bytes are
dropped, and what is known of the votes stays. Of all cases about 100,000 are kept, those that were
changed last: single votes of answers that are long gone make room. An account that says nothing of
the last hour goes as well.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from cache_fabric import codec
from cache_fabric.cases import ACCOUNTS, CASES, Cases, Docket
from cache_fabric.config import FabricConfig
from cache_fabric.engine import Engine
from cache_fabric.errors import CacheFabricError
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.pacing import in_turns
from cache_fabric.selector import Selector
from cache_fabric.stores.base import Store
from cache_fabric.subject import Subject
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import Case, Happening, State

__all__ = ["CaseKeeping"]

_MOST_QUARANTINED = 5_000
_SHARD_DIGITS = 2
_MOST_OF_A_SHARD = 400
_SHARDS = "0123456789abcdef"
_SWEEP = 64  # changes between two looks at a shard
_BATCH = 100


class CaseKeeping:
    """Looks after the cases of one engine.

    Args:
        cases: Reads and changes them.
        engine: Holds the answers.
        live: Knows which cases matter to lookups.
        records: The store.
        config: The secret.
    """

    def __init__(
        self,
        cases: Cases,
        engine: Engine,
        live: LiveContexts,
        records: Store,
        config: FabricConfig,
    ) -> None:
        self._cases = cases
        self._engine = engine
        self._live = live
        self._records = records
        self._secret = config.secret
        self._agreements = config.feedback_agreements
        self._changes = 0

    async def find(self, state: State, selector: Selector) -> list[CacheEntry]:
        """Return the quarantined or the pinned answers that are meant; raises `BackendError`."""
        await self._live.load()
        if state == "pinned":
            marks = self._live.verdicts.marks.values()
            pinned = [codec.decode(m.pinned, self._secret) for m in marks if m.pinned is not None]
            return list(filter(selector.matches, pinned))
        found = []
        for case in await self._marked():
            entry = None if case.standing(self._agreements) == "pinned" else self._entry(case)
            if entry is not None and selector.matches(entry):
                found.append(entry)
        return found

    async def forget(self, selector: Selector, *, dry_run: bool) -> int:
        """Delete the quarantined and pinned answers that are meant, for good; returns how many.

        The votes stay: what was bad stays out.
        """
        await self._live.load()
        ids = [
            case.id
            for case in await self._marked()
            if (entry := self._entry(case)) is not None and selector.matches(entry)
        ]
        if not dry_run:
            for entry_id in ids:
                await self._cases.change([entry_id], self._dropping(entry_id, "deleted"))
                await self._engine.kept.unindex([entry_id.partition(".")[0]])
        return len(ids)

    async def index_pins(self) -> None:
        """Let pinned answers be found by meaning again after the index was emptied."""
        for data in list(self._engine.verdicts.pinned.values()):
            await self._engine.kept.index(codec.decode(data, self._secret))

    async def erase(
        self,
        subject: Subject,
        made: Collection[str] = (),
        leaving: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> int:
        """Delete what is a subject's; returns how many cases were touched.

        An answer's case is the subject's if the answer is, by its name or as one of those that the
        subject's runs ``made``, or if a vote of the subject's corrected it. The subject's votes on
        answers of others go on counting, without a name or a word, and the question that such an
        answer was wrong for is forgotten. ``leaving`` is told the keys of answers that go, before
        they do. Raises `BackendError`.
        """
        await self._live.load()
        cases = [case for shard in _SHARDS for case in await self._shard(CASES + shard)]
        pins = {v.pin for case in cases for v in case.votes if subject.owns(v.tenant, v.user)}
        erased = 0
        for case in cases:
            is_theirs = case.id in pins or _is_of(case, subject, made)
            if not is_theirs and not _voted(case, subject):
                continue
            if is_theirs and leaving is not None:
                await leaving([case.id.partition(".")[0]])
            step = self._blank(case.id) if is_theirs else self._nameless(case.id, subject)
            await self._cases.change([case.id], step)
            if is_theirs:
                await self._engine.kept.unindex([case.id.partition(".")[0]])
            erased += 1
        return erased

    async def tidy(self, entry_id: str) -> None:
        """Keep the bounds after a change; a fault leaves it for the next one."""
        self._changes += 1
        with contextlib.suppress(CacheFabricError):
            quarantined = [m for m in self._live.verdicts.marks.values() if m.pinned is None]
            if len(quarantined) > _MOST_QUARANTINED:
                oldest = min(quarantined, key=lambda mark: mark.at).id
                await self._engine.kept.take_out(oldest)  # nobody refuses it from now on
                step = self._dropping(oldest, "dropped: newer ones are kept", closed=True)
                await self._cases.change([oldest], step)
            if self._changes % _SWEEP == 0:
                await self._sweep(entry_id[:_SHARD_DIGITS])

    async def _sweep(self, shard: str) -> None:
        cases = await self._shard(CASES + shard)
        unmarked = [case for case in cases if self._cases.mark(case) is None]
        unmarked.sort(key=lambda case: case.history[-1].at if case.history else case.at)
        for case in unmarked[: max(0, len(cases) - _MOST_OF_A_SHARD)]:
            await self._cases.change([case.id], self._blank(case.id))
        await self._cases.drop_accounts(ACCOUNTS + shard, time.time())

    async def _marked(self) -> list[Case]:
        ids = list(self._live.verdicts.marks)
        cases = []
        for start in range(0, len(ids), _BATCH):
            found = await self._cases.read(ids[start : start + _BATCH])
            cases += [case for case in found if case.envelope is not None]
        return cases

    async def _shard(self, prefix: str) -> list[Case]:
        records = await self._engine.store.demand(lambda: self._records.records(prefix))
        return [self._cases.read_one(record) async for record in in_turns(records)]

    def _entry(self, case: Case) -> CacheEntry | None:
        return None if case.envelope is None else codec.decode(case.envelope, self._secret)

    def _dropping(
        self, entry_id: str, what: str, *, closed: bool = False
    ) -> Callable[[Docket], Awaitable[Docket]]:
        async def step(docket: Docket) -> Docket:
            case, now = docket.cases[entry_id], time.time()
            is_pinned = case.standing(self._agreements) == "pinned"
            after = case.ordered("retire") if is_pinned else case
            told = Happening(at=now, what=what)
            return docket.having(replace(after.told(told), envelope=None, closed=closed, at=now))

        return step

    def _blank(self, entry_id: str) -> Callable[[Docket], Awaitable[Docket]]:
        async def step(docket: Docket) -> Docket:
            return docket.having(Case(id=entry_id))

        return step

    def _nameless(self, entry_id: str, subject: Subject) -> Callable[[Docket], Awaitable[Docket]]:
        async def step(docket: Docket) -> Docket:
            return docket.having(docket.cases[entry_id].nameless(subject.owns, self._hidden))

        return step

    def _hidden(self, name: str) -> str:
        said = name.encode("utf-8", "surrogatepass")
        return name and hmac.digest(self._secret, said, "sha256").hex()[:16]


def _is_of(case: Case, subject: Subject, made: Collection[str]) -> bool:
    known = case.about or {}
    tenant, user = known.get("tenant"), known.get("user")
    if subject.owns(tenant, user):
        return True
    return case.id in made and subject.owns(tenant or subject.tenant, user or subject.user)


def _voted(case: Case, subject: Subject) -> bool:
    whose = [(one.tenant, one.user) for one in case.votes]
    whose += [(one.tenant, one.user) for one in case.history]
    return any(subject.owns(*one) for one in whose)
