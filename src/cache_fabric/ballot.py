"""One vote on its way into the case of an answer: what it needs, and what it may do."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from dataclasses import replace
from typing import Any

from cache_fabric import codec
from cache_fabric.annotator_account import Account
from cache_fabric.cases import Docket, about
from cache_fabric.config import FabricConfig
from cache_fabric.corrections import corrected
from cache_fabric.engine import Engine
from cache_fabric.errors import CacheFabricError, NotCacheable
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.keys import exact_key
from cache_fabric.near_twins import packed
from cache_fabric.stores.base import Store
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import Case, Cast, Happening, Negative, happened
from cache_fabric.vote_effects import effects_of, waiting
from cache_fabric.votes import Effect, Vote

__all__ = ["Ballot", "KeptCount", "pin_id", "pinned_case"]

_RECOUNT = 60.0  # seconds
_LONGEST_REASON = 1_000


class KeptCount:
    """How many answers are kept, counted at most once a minute.

    Args:
        records: The store.
    """

    def __init__(self, records: Store) -> None:
        self._records = records
        self._count = 0
        self._until = 0.0

    async def get(self) -> int:
        """Return the count; raises `BackendError`."""
        if time.monotonic() >= self._until:
            self._count = len([key async for key, _ in self._records.scan(ANSWERS)])
            self._until = time.monotonic() + _RECOUNT
        return self._count


class Ballot:
    """A vote, and what becomes of a docket by it.

    Args:
        vote: As it was given.
        engine: Reads answers and embeds questions.
        kept: Counts the answers, for the limit.
        config: The limits.
    """

    def __init__(self, vote: Vote, engine: Engine, kept: KeptCount, config: FabricConfig) -> None:
        self.vote = vote
        self.entry: CacheEntry | None = None
        self.vector: Any = None
        self._other: Any = None
        self._engine = engine
        self._kept = kept
        self._config = config
        self._agreements = config.feedback_agreements
        self._unfit = ""

    @property
    def ids(self) -> list[str]:
        """The cases that it may change."""
        served = self.vote.served
        text = self.vote.correction
        return [served.entry_id, *([] if text is None else [self._pin(text)])]

    async def prepare(self) -> None:
        """Do what takes long before others have to wait for it; raises `BackendError`."""
        served = self.vote.served
        if served.tier == "semantic" and self.vote.verdict is not None:
            self.entry = await self._engine.entry(served.entry_id)
            await self._embed()

    async def step(self, docket: Docket) -> Docket:
        """Return the docket with this vote counted; raises `BackendError`."""
        case = docket.cases[self.vote.served.entry_id]
        self.entry = self._engine.exact.read(docket.envelopes[case.id])
        if self._is_of_another_tenant(case):
            return docket
        if self.vote.verdict is None and self.vote.correction is None:
            after, account = case.without(self.vote.feedback_id), docket.account
        else:
            await self._embed()
            cast = case.cast(self._cast())
            after, account = await self._within_limit(case, cast, docket.account)
        after = self._told(case, after)
        after = self._taught(after)
        state = after.standing(self._agreements)
        if state != case.standing(self._agreements):
            envelope = after.envelope or docket.envelopes[case.id]
            after = replace(after, at=self.vote.at, envelope=envelope)
        if after.about is None and self.entry is not None:
            after = replace(after, about=about(self.entry))
        after = after.booked(case, self._agreements, self.vote.at)
        pins = self._pinned(docket, case, after)
        return (
            docket if after == case and not pins else docket.having(after, *pins, account=account)
        )

    def effects(self, before: Docket, after: Docket) -> list[Effect]:
        """Return what the vote did, or had done already when it was given before."""
        case = before.cases[self.vote.served.entry_id]
        return effects_of(self.vote, case, after.cases, self._unfit, self._agreements)

    def _cast(self) -> Cast:
        vote, served, text = self.vote, self.vote.served, self.vote.correction
        cost = served.saved_cost
        return Cast(
            feedback_id=vote.feedback_id,
            execution_id=vote.execution_id,
            verdict=vote.verdict,
            annotator=vote.annotator,
            kind=vote.kind,
            trusted=vote.trusted,
            at=vote.at,
            hit=served.outcome == "hit",
            micros=None if cost is None else round(cost * 1e6),
            tokens=served.saved_tokens or 0,
            why=vote.why[:_LONGEST_REASON],
            correction=None if text is None else self._pin(text).partition(".")[2],
            pin=None if text is None or self._correction() is None else self._pin(text),
            tenant=vote.tenant,
            user=vote.user,
            negative=self._negative() if vote.verdict == "bad" else None,
        )

    async def _embed(self) -> None:
        """Embed what was asked, if its answer was chosen by meaning; without that it goes too."""
        served, entry = self.vote.served, self.entry
        if self.vector is not None or served.tier != "semantic" or served.question is None:
            return
        if entry is not None and entry.embedder != self._engine.semantic.identity:
            return
        questions = [served.question]
        if entry is not None and entry.question is not None:
            questions.append(entry.question)
        try:
            vectors = await self._engine.semantic.embed(questions)
        except CacheFabricError:
            return
        self.vector, self._other = vectors[0], vectors[1] if len(vectors) > 1 else None

    def _negative(self) -> Negative | None:
        asked = self.vote.served.exact
        if self.vector is None or asked is None or not self._says_what_was_asked():
            return None
        other = None if self._other is None else packed(self._other)
        return Negative(asked=asked, vector=packed(self.vector), served=other)

    def _correction(self) -> CacheEntry | None:
        text, served = self.vote.correction, self.vote.served
        if text is None:
            return None
        if self.entry is None:
            self._unfit = "the answer is gone, and with it the form of one"
            return None
        if len(text) > self._config.max_entry_bytes:
            self._unfit = "it is longer than an answer may be"
            return None
        if self._engine.verdicts.is_full:
            self._unfit = "too many answers are pinned already"
            return None
        if not self._says_what_was_asked():
            self._unfit = "the run does not say what was asked"
            return None
        by_meaning = served.tier == "semantic"
        question = served.question if by_meaning else self.entry.question
        entry_id = self._pin(text)
        right = corrected(self.entry, text, entry_id=entry_id, question=question, at=self.vote.at)
        if right is None:
            self._unfit = "its form cannot take a text alone"
        return right

    def _is_of_another_tenant(self, case: Case) -> bool:
        """Whether the run cannot have been given this answer: runs come from outside."""
        known = case.about or ({} if self.entry is None else about(self.entry))
        ours, theirs = known.get("tenant"), self.vote.tenant
        return ours is not None and theirs is not None and ours != theirs

    def _says_what_was_asked(self) -> bool:
        """Whether the keys that the run names are those of its question: runs come from outside."""
        served, entry = self.vote.served, self.entry
        if served.tier != "semantic" or entry is None:
            return True
        if served.exact is None or served.question is None:
            return False
        with contextlib.suppress(NotCacheable):
            asked = exact_key(entry.partition, served.question, self._config.secret)
            return hmac.compare_digest(asked.encode(), served.exact.encode())
        return False

    def _pin(self, text: str) -> str:
        served, exact = self.vote.served, self.vote.served.entry_id.partition(".")[0]
        if served.tier == "semantic" and served.exact is not None:
            exact = served.exact
        return pin_id(exact, text, self._config.secret)

    async def _within_limit(
        self, case: Case, after: Case, account: Account
    ) -> tuple[Case, Account]:
        """Hold the vote where its annotator has done enough for an hour."""
        cast = after.vote(self.vote.feedback_id)
        if cast is None or not cast.trusted or not self._acts(case, after):
            return after, account
        mark = hashlib.sha256(cast.feedback_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        lately = account.since(self.vote.at)
        if any(known == mark for _, known in lately.acts):
            return after, account
        done = len(lately.acts)
        if done < self._config.feedback_grace or done < self._config.feedback_share * (
            await self._kept.get()
        ):
            return after, lately.charged(self.vote.at, mark)
        return after.cast(replace(cast, held=True)), account

    def _acts(self, case: Case, after: Case) -> bool:
        agreements = self._agreements
        quarantines = after.standing(agreements) == "quarantined" != case.standing(agreements)
        return quarantines or bool(after.pins(agreements).keys() - case.pins(agreements).keys())

    def _told(self, case: Case, after: Case) -> Case:
        vote = self.vote
        cast, earlier = after.vote(vote.feedback_id), case.vote(vote.feedback_id)
        if cast != earlier and (cast is None or earlier is None or cast.number != earlier.number):
            said = "corrected" if vote.verdict is None else f"found {vote.verdict}"
            what = "taken back" if cast is None else said
            after = after.told(self._happening(what, vote.why))
        before, state = case.standing(self._agreements), after.standing(self._agreements)
        if state != before:
            after = after.told(self._happening(happened(before, state), vote.why))
        elif cast is not None and cast.held and (earlier is None or not earlier.held):
            after = after.told(self._happening("held", waiting(cast, self._agreements)))
        return after

    def _taught(self, after: Case) -> Case:
        vote, confirms = self.vote, after.standing(self._agreements) != "quarantined"
        praised = vote.verdict == "good" and vote.trusted and vote.served.tier == "semantic"
        return replace(after, taught=True) if praised and confirms else after

    def _happening(self, what: str, why: str) -> Happening:
        vote = self.vote
        return Happening(
            at=vote.at,
            what=what,
            by=vote.annotator,
            why=why[:_LONGEST_REASON],
            execution_id=vote.execution_id,
            tenant=vote.tenant,
            user=vote.user,
        )

    def _pinned(self, docket: Docket, case: Case, after: Case) -> list[Case]:
        """Return the cases of the corrections that are served from now on, or no longer."""
        before, wanted = case.pins(self._agreements), after.pins(self._agreements)
        changed = []
        for entry_id in before.keys() - wanted.keys():
            pin = docket.cases[entry_id]
            told = self._happening("quarantined", "the correction was taken back")
            changed.append(replace(pin.ordered("retire").told(told), at=self.vote.at))
        right = self._correction() if wanted.keys() - before.keys() else None
        if right is not None and right.id in wanted.keys() - before.keys():
            told = self._happening("pinned", f"corrects {case.id}")
            changed.append(pinned_case(docket.cases[right.id], right, told, self._config.secret))
        return changed


def pin_id(exact: str, text: str, secret: bytes) -> str:
    """Return the id of an answer that people gave: the same words make the same entry."""
    said = f"pin\n{exact}\n{text}".encode("utf-8", "surrogatepass")
    return f"{exact}.{hmac.digest(secret, said, 'sha256').hex()[:16]}"


def pinned_case(case: Case, entry: CacheEntry, told: Happening, secret: bytes) -> Case:
    """Return the case of an entry that is pinned from now on."""
    data = codec.encode(entry, secret)
    pinned = replace(case.ordered("pin"), at=told.at, envelope=data, about=about(entry))
    return pinned.told(told)
