"""Feedback: kept beside its run, and put to the answers that the run was given.

The answers come first, then the feedback is kept, then its run is marked. Each of the three may be
done again under the same id without doing more, so that whoever got no answer, because a process or
the store died in between, says the same once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.feedback_form import as_record
from cache_fabric.feedback_rules import Said, completed, feedback_id, read_feedback
from cache_fabric.instrumentation.events import FeedbackEvent
from cache_fabric.instrumentation.hooks import Tell
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.provenance import Served
from cache_fabric.records import Execution, Feedback
from cache_fabric.stores.documents import Query, Term
from cache_fabric.subject import Subject
from cache_fabric.validation import check_id
from cache_fabric.votes import Effect, Vote

__all__ = ["Feedbacks"]


class Feedbacks:
    """Takes feedback; lives on the home loop.

    Args:
        kept: What was taken so far; public, to be read.
        read: Returns a run.
        mark: Has a run found by what was said of it.
        vote: Puts votes to the answers; see `Verdicts.vote`.
        tell: Hears of every feedback that was kept.
    """

    def __init__(
        self,
        kept: KeptFeedback,
        read: Callable[[str], Awaitable[Execution | None]],
        mark: Callable[[str], Awaitable[None]],
        vote: Callable[[Sequence[Vote]], Awaitable[Sequence[Effect]]],
        tell: Tell,
    ) -> None:
        self.kept = kept
        self._read = read
        self._mark = mark
        self._vote = vote
        self._tell = tell
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def record(
        self, execution_id: str, given: Mapping[str, Any], *, trusted: bool, allow_unknown: bool
    ) -> Feedback:
        """Act on a feedback and keep it; returns it once the store has it.

        Raises:
            ValidationError: See `read_feedback`.
            NotFound: Nothing is known of the run, and ``allow_unknown`` is not set.
            BackendError: The store failed; say it again.
        """
        check_id(execution_id, "execution_id")
        if not isinstance(trusted, bool):  # "false" is true
            raise ValidationError("trusted", f"expected True or False, got {trusted!r:.40}")
        said = read_feedback(given)
        turn = self._turns.setdefault(execution_id, asyncio.Lock())
        async with turn:
            execution = await self._read(execution_id)
            if execution is None and not allow_unknown:
                raise NotFound(
                    f"no execution {execution_id!r}: track_execution it first, or keep feedback "
                    "that acts on nothing with allow_unknown=True"
                )
            earlier = await self.kept.get(feedback_id(execution_id, said, trusted=trusted))
            if earlier is not None and not said.judges:
                said = read_feedback(completed(earlier.data, said.data))
            feedback = as_record(execution_id, said, trusted, time.time(), execution, earlier)
            if execution is not None:
                effects = await self._act(feedback, said, execution.answers)
                feedback = replace(feedback, effects=effects)
            await self.kept.put([feedback])
            await self._mark(execution_id)
        self._tell(_event_of(feedback), lambda: _said_in(feedback))
        return feedback

    async def erase(self, subject: Subject) -> int:
        """Delete what was said of the subject's runs, and by a user; returns how many there were.

        What a user said of the run of somebody else leaves the marks of that run as well.
        """
        count = 0
        async for deleted, _ in self.kept.delete(Query(terms=subject.terms())):
            count += deleted
        if subject.user is not None:
            async for deleted, runs in self.kept.delete(Query(terms=_said_by(subject))):
                count += deleted
                for execution_id in runs:
                    await self._mark(execution_id)
        return count

    async def count(self, subject: Subject) -> int:
        """Return how many `erase` would delete."""
        whose, said_by = subject.terms(), _said_by(subject)
        of_runs = await self.kept.count(Query(terms=whose))
        if subject.user is None:
            return of_runs
        by_the_user = await self.kept.count(Query(terms=said_by))
        return of_runs + by_the_user - await self.kept.count(Query(terms=whose | said_by))

    async def _act(
        self, feedback: Feedback, said: Said, answers: Sequence[Served]
    ) -> tuple[Effect, ...]:
        """Put a vote to each answer of the run; a remark on nothing puts none.

        The correction of a run that was given several answers goes to none of them: it is the right
        one for one of their questions and a wrong one for the others.
        """
        served = _once(answers)
        if not served or not said.judges:
            return ()
        correction = said.correction if len(served) == 1 else None
        votes = [_vote(feedback, said.why, answer, correction) for answer in served]
        effects = await self._vote(votes)
        if said.correction is None or correction is not None:
            return tuple(effects)
        reason = f"not corrected: which of the {len(served)} answers of the run is not known"
        return (*effects, Effect(entry_id=served[-1].entry_id, action="none", reason=reason))


def _once(answers: Sequence[Served]) -> list[Served]:
    """Return each answer once for what was asked, with what it saved the run in all.

    A run that was given one answer several times has complained once, and takes all of it back.
    """
    hits = [answer for answer in answers if answer.outcome == "hit"]
    misses = [answer for answer in answers if answer.outcome != "hit"]
    once = {(answer.entry_id, answer.exact): answer for answer in (*misses, *hits)}
    cost: dict[str, float] = {}
    tokens: dict[str, int] = {}
    for hit in hits:
        if hit.saved_cost is not None:
            cost[hit.entry_id] = cost.get(hit.entry_id, 0.0) + hit.saved_cost
        if hit.saved_tokens is not None:
            tokens[hit.entry_id] = tokens.get(hit.entry_id, 0) + hit.saved_tokens
    return [
        replace(one, saved_cost=cost.get(one.entry_id), saved_tokens=tokens.get(one.entry_id))
        for one in once.values()
    ]


def _event_of(feedback: Feedback) -> FeedbackEvent:
    return FeedbackEvent(
        verdict=feedback.verdict or "none",
        execution_id=feedback.execution_id,
        name=feedback.name,
        score=feedback.score,
        annotator=feedback.annotator,
        trusted=feedback.trusted,
    )


def _said_in(feedback: Feedback) -> dict[str, Any]:
    """Return what somebody said in words: only for hooks that were given leave to hear it."""
    return {name: feedback[name] for name in ("label", "comment", "correction")}


def _vote(feedback: Feedback, why: str, served: Served, correction: str | None) -> Vote:
    return Vote(
        feedback_id=feedback.id,
        execution_id=feedback.execution_id,
        served=served,
        verdict=feedback.verdict,
        annotator=feedback.annotator_id or "",
        kind=feedback.annotator,
        trusted=feedback.trusted,
        at=feedback.timestamp.timestamp(),
        why=why,
        correction=correction,
        tenant=feedback.tenant,
        user=feedback.user,
    )


def _said_by(subject: Subject) -> frozenset[Term]:
    return frozenset(("annotator" if name == "user" else name, v) for name, v in subject.terms())
