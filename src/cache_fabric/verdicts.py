"""Verdicts: what feedback and operators do to answers, in every process.

A bad vote moves the answer out of the place that lookups read into its case (`cases`), and tells
every process by the change log: hot tiers and queues drop it, and nobody serves what he still
holds. What follows from the votes is decided in `verdict_rules`; here it is carried out, after the
commit that decided it, so that a repetition finishes what a crash cut short.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from cache_fabric import codec
from cache_fabric.ballot import Ballot, KeptCount, pin_id, pinned_case
from cache_fabric.case_keeping import CaseKeeping
from cache_fabric.cases import Cases, Docket, about
from cache_fabric.config import FabricConfig
from cache_fabric.corrections import corrected
from cache_fabric.engine import Engine
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.instrumentation.events import Event, ReversalEvent, VerdictEvent
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.policy.base import Asked
from cache_fabric.stores.base import Store
from cache_fabric.types import Candidate
from cache_fabric.verdict_rules import Case, Happening, Order
from cache_fabric.votes import Effect, Vote

__all__ = ["Verdicts"]


class Verdicts:
    """Votes and operators' acts on the answers of one engine.

    Args:
        engine: Holds the answers.
        live: Follows the change log.
        records: The store.
        config: The limits.
        emit: Hears what was decided, and what is taken back or booked again.
    """

    def __init__(
        self,
        engine: Engine,
        live: LiveContexts,
        records: Store,
        config: FabricConfig,
        emit: Callable[[Event], None],
    ) -> None:
        self.cases = Cases(engine, live, records, config)
        self.keeping = CaseKeeping(self.cases, engine, live, records, config)
        self._engine = engine
        self._kept = KeptCount(records)
        self._config = config
        self._agreements = config.feedback_agreements
        self._emit = emit
        self._acting: set[str] = set()
        live.listeners["judged"].append(lambda _, entry_id: self._hear(entry_id))

    async def vote(self, votes: Sequence[Vote]) -> list[Effect]:
        """Count votes and carry out what follows; a repeated vote changes nothing.

        Returns:
            One effect a vote, and one more for its correction.

        Raises:
            BackendError: The store failed. What was decided stays; a repetition finishes it.
        """
        effects: list[Effect] = []
        for vote in votes:
            effects += await self._vote(vote)
        return effects

    async def retire(self, entry_id: str, *, by: str, why: str) -> Effect:
        """Quarantine an answer, reversibly.

        Raises:
            NotFound: Nothing is known of it.
            BackendError: The store failed.
        """

        async def step(docket: Docket) -> Docket:
            case = self._known(docket, entry_id)
            if case.order == "retire":
                return docket
            return docket.having(self._ordered(docket, case, "retire", by, why))

        await self._change([entry_id], step)
        return self._acted(Effect(entry_id=entry_id, action="quarantined", reason=why))

    async def restore(self, entry_id: str, *, by: str, why: str) -> Effect:
        """Set the votes against an answer aside, and serve it again unless a newer one is there.

        A pinned answer becomes an ordinary one. Corrections that came with the votes are retired.

        Raises:
            NotFound: Nothing is known of it.
            BackendError: The store failed.
        """

        async def step(docket: Docket) -> Docket:
            case = self._known(docket, entry_id)
            if case.number == 1 or (case.order == "" and not case.complaints()):
                return docket
            told = Happening(at=time.time(), what="quarantined", by=by, why=f"restored {entry_id}")
            pins = [
                replace(pin.ordered("retire").told(told), at=told.at)
                for pin in (docket.cases[name] for name in case.pins(self._agreements))
                if pin.standing(self._agreements) == "pinned"
            ]
            return docket.having(self._ordered(docket, case, "restore", by, why), *pins)

        _, after, hindrance = await self._change([entry_id], step)
        if not after.revision:
            return self._acted(Effect(entry_id=entry_id, action="none", reason="nothing to do"))
        return self._acted(Effect(entry_id=entry_id, action="restored", reason=hindrance or why))

    async def pin(self, entry_id: str, *, answer: str | None, by: str, why: str) -> Effect:
        """Serve an answer for ever, or other words in its place, which retires it.

        Returns:
            The effect, with the id of the pinned entry.

        Raises:
            NotFound: The answer is not there any more.
            ValidationError: The form of the answer cannot take a text, or 5,000 answers or 64 MiB
                of them are pinned already.
            BackendError: The store failed.
        """
        pinned = entry_id
        if answer is not None:
            pinned = pin_id(entry_id.partition(".")[0], answer, self._config.secret)

        async def step(docket: Docket) -> Docket:
            case = self._known(docket, entry_id)
            data = docket.envelopes[entry_id]
            if data is None:
                raise NotFound(f"no answer {entry_id!r}: it is not kept any more")
            if docket.cases[pinned].standing(self._agreements) == "pinned":
                return docket
            if self._engine.verdicts.is_full:
                raise ValidationError("pin", "too many answers are pinned, restore some first")
            if answer is None:
                return docket.having(self._ordered(docket, case, "pin", by, why))
            entry, now = codec.decode(data, self._config.secret), time.time()
            right = corrected(entry, answer, entry_id=pinned, question=entry.question, at=now)
            if right is None:
                raise ValidationError("answer", "the form of this answer cannot take a text alone")
            told = Happening(at=now, what="pinned", by=by, why=why or f"corrects {entry_id}")
            pin = pinned_case(docket.cases[pinned], right, told, self._config.secret)
            return docket.having(self._ordered(docket, case, "retire", by, why), pin)

        await self._change([entry_id, pinned], step)
        return self._acted(Effect(entry_id=pinned, action="pinned", reason=why))

    async def _vote(self, vote: Vote) -> list[Effect]:
        if not _IDS.fullmatch(vote.served.entry_id):
            told = "the run names no answer of a cache"
            return [self._acted(Effect(entry_id="", action="none", reason=told))]
        ballot = Ballot(vote, self._engine, self._kept, self._config)
        await ballot.prepare()
        annotator = vote.annotator if vote.trusted else None
        before, after, _ = await self._change(ballot.ids, ballot.step, annotator)
        effects = ballot.effects(before, after)
        taught = await self._teach(ballot, before, after)
        self._emit(
            VerdictEvent(entry_id=effects[0].entry_id, action=effects[0].action, taught=taught)
        )
        for effect in effects[1:]:
            self._acted(effect)
        return effects

    async def _change(
        self,
        ids: Sequence[str],
        step: Callable[[Docket], Awaitable[Docket]],
        annotator: str | None = None,
    ) -> tuple[Docket, Docket, str]:
        """Commit a step and carry it out; the last is why an answer was not put back."""
        hindrances: list[str] = []

        async def whole(docket: Docket) -> Docket:
            hindrances.clear()
            return await self._with_answers_back(await step(docket), hindrances)

        self._acting.update(ids)
        try:
            before, after = await self.cases.change(ids, whole, annotator)
            for case in after.cases.values():
                if case.standing(self._agreements) == "quarantined":
                    self._engine.kept.drop(case.id)
            self._book(before, after)
            for case in after.cases.values():
                await self._place(before.cases[case.id], case)
        finally:
            self._acting.difference_update(ids)
        if after.revision:
            await self.keeping.tidy(ids[0])
        return before, after, "; ".join(hindrances)

    async def _with_answers_back(self, docket: Docket, hindrances: list[str]) -> Docket:
        """Put back what is to be served again, before the commit that lets it be served."""
        states = {case.id: case.standing(self._agreements) for case in docket.cases.values()}
        leaving = [entry_id for entry_id, state in states.items() if state != "pinned"]
        for case in list(docket.cases.values()):
            if states[case.id] == "active" and case.envelope is not None:
                entry = codec.decode(case.envelope, self._config.secret)
                hindrance = await self._engine.kept.put_back(entry, case.envelope, leaving)
                hindrances += [] if hindrance is None else [hindrance]
                docket = docket.having(replace(case, envelope=None))
        return docket

    async def _place(self, was: Case, case: Case) -> None:
        """Bring an answer to where its standing wants it, or look whether it is there."""
        kept, state = self._engine.kept, case.standing(self._agreements)
        if state == "quarantined":
            await kept.take_out(case.id)
        elif state == "pinned" and case.envelope is not None:
            if was.standing(self._agreements) != "pinned":
                await kept.take_out(case.id)
            entry = codec.decode(case.envelope, self._config.secret)
            await kept.index(replace(entry, expires=None))

    def _ordered(self, docket: Docket, case: Case, order: Order, by: str, why: str) -> Case:
        after = case.ordered(order)
        told = Happening(at=time.time(), what=_WORDS[order], by=by, why=why)
        after = replace(after.told(told), at=told.at)
        after = after.booked(case, self._agreements, told.at)
        data = docket.envelopes[case.id]
        if order != "restore" and after.envelope is None and data is not None:
            entry = codec.decode(data, self._config.secret)
            after = replace(after, envelope=data, about=about(entry))
        return after

    def _known(self, docket: Docket, entry_id: str) -> Case:
        case = docket.cases[entry_id]
        if case.number == 1 and docket.envelopes[entry_id] is None:
            raise NotFound(f"no answer {entry_id!r}: nothing is known of it")
        return case

    def _book(self, before: Docket, after: Docket) -> None:
        """Take back what hits on bad answers had saved, and book again what they save after all."""
        for entry_id, case in after.cases.items():
            was = before.cases[entry_id].reversed(self._agreements)
            now = case.reversed(self._agreements)
            for execution_id in was.keys() ^ now.keys():
                cast = now.get(execution_id) or was[execution_id]
                self._emit(
                    ReversalEvent(
                        entry_id=entry_id,
                        execution_id=execution_id,
                        micros=cast.micros,
                        tokens=cast.tokens,
                        again=execution_id in was,
                    )
                )

    async def _teach(self, ballot: Ballot, before: Docket, after: Docket) -> bool | None:
        """Let the policy learn from a vote on its own choice; ``None`` where it was none."""
        vote, policy = ballot.vote, self._engine.policy
        case = after.cases[vote.served.entry_id]
        lesson = case.lesson(before.cases[case.id], vote.feedback_id, self._agreements)
        if lesson is None or vote.served.tier != "semantic":
            return None
        served, entry = vote.served, ballot.entry
        known = (served.family, served.similarity, ballot.vector, entry)
        if served.family is None or entry is None or any(one is None for one in known):
            return False
        asked = Asked(served.question or "", served.exact or "", ballot.vector)
        candidate = Candidate(entry, served.similarity or 0.0)
        return await self._engine.learning.hear(policy, served.family, asked, candidate, lesson)

    def _acted(self, effect: Effect) -> Effect:
        self._emit(VerdictEvent(entry_id=effect.entry_id, action=effect.action))
        return effect

    def _hear(self, entry_id: str) -> None:
        """Follow what another process did to an answer."""
        kept, mark = self._engine.kept, self._engine.verdicts.marks.get(entry_id)
        if mark is not None:
            kept.drop(entry_id)
        if entry_id not in self._acting and (mark is None or mark.pinned is not None):
            kept.index_soon(entry_id)


_IDS = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{8,32}")
_WORDS: dict[Order, str] = {"retire": "quarantined", "restore": "restored", "pin": "pinned"}
