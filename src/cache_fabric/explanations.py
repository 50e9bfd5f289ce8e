"""Explains lookups and kept answers from what is remembered of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cache_fabric import codec
from cache_fabric.cases import Cases, about
from cache_fabric.decisions import KEPT, Decisions, Recorded
from cache_fabric.engine import Engine
from cache_fabric.errors import NotFound
from cache_fabric.explanation import (
    AuditState,
    BudgetState,
    CandidateExplanation,
    EntryExplanation,
    EntryState,
    FeatureExplanation,
    LookupExplanation,
    Scoring,
    Served,
)
from cache_fabric.guard import compare
from cache_fabric.matcher.features import NAMES
from cache_fabric.policy.audit import Estimate
from cache_fabric.policy.trace import Scores, Trace
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import Case, Happening

__all__ = ["Explanations"]


class _Told(NamedTuple):
    """What is known of an answer beside itself and its case."""

    state: EntryState
    met: Sequence[Recorded]
    served: Sequence[Recorded]


class Explanations:
    """The explanations of one engine.

    Args:
        engine: Finds kept answers by their id.
        decisions: The lookups that are remembered.
        cases: What became of answers.
        secret: Authenticates their bytes.
    """

    def __init__(self, engine: Engine, decisions: Decisions, cases: Cases, secret: bytes) -> None:
        self._engine = engine
        self._decisions = decisions
        self._cases = cases
        self._secret = secret

    async def explain(self, of: str, texts: bool) -> LookupExplanation | EntryExplanation:
        """Explain a lookup or an entry by its id; ``texts`` asks for the words of prompts.

        Raises `NotFound` for an id of neither, `BackendError` where the store failed.
        """
        recorded = self._decisions.find(of)
        if recorded is not None:
            explained = _lookup(recorded)
            return await self._worded(explained, recorded) if texts else explained
        case, entry = await self._cases.find(of), await self._engine.entry(of)
        if case is not None or entry is not None:
            return self._answer(of, case or Case(id=of), entry, texts)
        raise NotFound(
            f"{of!r} is neither a kept answer nor one of the last {KEPT:,} lookups of this process"
        )

    def _answer(
        self, of: str, case: Case, entry: CacheEntry | None, texts: bool
    ) -> EntryExplanation:
        state: EntryState = case.standing(self._cases.agreements)
        if entry is None and case.envelope is not None:
            entry = codec.decode(case.envelope, self._secret)
        elif entry is None and state == "active":
            state = "gone"
        told = _Told(state, self._decisions.about(of), self._decisions.served(of))
        return _entry(of, entry, case, told, texts)

    async def _worded(self, explained: LookupExplanation, recorded: Recorded) -> LookupExplanation:
        candidates = []
        for candidate in explained.candidates:
            entry = await self._engine.entry(candidate.entry_id)
            theirs = None if entry is None else entry.question
            if theirs is not None and recorded.question is not None:
                said = compare(recorded.question, theirs).reasons
                candidate = dataclasses.replace(candidate, question=theirs, objections=said)
            candidates.append(candidate)
        return dataclasses.replace(
            explained, question=recorded.question, candidates=tuple(candidates)
        )


def _lookup(recorded: Recorded) -> LookupExplanation:
    trace = recorded.trace
    scores = None if trace is None else trace.scores
    return LookupExplanation(
        id=recorded.id,
        at=recorded.at,
        outcome=recorded.outcome,
        reason=recorded.reason,
        model=recorded.model,
        seconds=recorded.seconds,
        tier=recorded.tier,
        similarity=recorded.similarity,
        probability=recorded.probability,
        stale=recorded.stale,
        degraded=recorded.degraded,
        entry_id=recorded.entry_id,
        age=None if recorded.born is None else max(0.0, recorded.at - recorded.born),
        contexts=recorded.contexts,
        policy=None if trace is None else trace.policy,
        threshold=None if trace is None else trace.threshold,
        candidates=() if trace is None else _candidates(trace),
        scoring=None if trace is None or scores is None else _scoring(trace, scores),
        features=() if scores is None else _features(scores),
        budget=None if scores is None else _budget(scores),
        audit=None if scores is None else _audit(scores),
    )


def _candidates(trace: Trace) -> tuple[CandidateExplanation, ...]:
    return tuple(
        CandidateExplanation(best=at == trace.best, **one._asdict())
        for at, one in enumerate(trace.candidates)
    )


def _scoring(trace: Trace, scores: Scores) -> Scoring | None:
    log_odds = None if trace.best is None else trace.candidates[trace.best].score
    if log_odds is None:
        return None
    return Scoring(
        log_odds=log_odds,
        probability=scores.probability,
        stated_risk=scores.stated,
        risk=scores.risk,
        price=scores.price,
    )


def _features(scores: Scores) -> tuple[FeatureExplanation, ...]:
    found = [
        FeatureExplanation(name=name, value=value, contribution=contribution)
        for name, value, contribution in zip(
            (*NAMES, "bias"), scores.row.tolist(), scores.contributions.tolist(), strict=True
        )
    ]
    found.append(FeatureExplanation(name="words", value=None, contribution=scores.words))
    return tuple(sorted(found, key=lambda feature: abs(feature.contribution), reverse=True))


def _budget(scores: Scores) -> BudgetState:
    return BudgetState(
        requests=scores.requests,
        judged=scores.judged,
        spent=scores.spent,
        allowed=scores.allowed,
        price=scores.price,
    )


def _audit(scores: Scores) -> AuditState:
    estimate = Estimate.of(scores.asked, scores.weight, scores.squares, scores.wrong)
    return AuditState(
        wrong_share=estimate.share,
        low=estimate.low,
        high=estimate.high,
        sampled=estimate.asked,
        factor=scores.factor,
        alarms=scores.alarms,
    )


def _entry(
    entry_id: str, entry: CacheEntry | None, case: Case, told: _Told, texts: bool
) -> EntryExplanation:
    known = about(entry) if entry is not None else case.about or {}
    created, expires = known.get("created"), known.get("expires")
    now = time.time()
    hits = [one for one in told.met if one.entry_id == entry_id]
    return EntryExplanation(
        id=entry_id,
        model=known.get("model", ""),
        tenant=known.get("tenant"),
        user=known.get("user"),
        tags=tuple(known.get("tags", ())),
        contexts=tuple((path, number) for path, number in known.get("contexts", ())),
        embedder=known.get("embedder", ""),
        created=created,
        age=None if created is None else max(0.0, now - created),
        expires=expires,
        expired=expires is not None and now >= expires,
        latency=known.get("latency"),
        cost_micros=known.get("cost_micros"),
        tokens=known.get("tokens"),
        state=told.state,
        history=_history(known, case, told.served),
        hits=tuple(_served(one) for one in reversed(hits)),
        refused=len(told.met) - len(hits),
        origin=known.get("origin"),
        question=entry.question if texts and entry is not None else None,
        text=entry.text if texts and entry is not None else None,
    )


def _history(
    known: Mapping[str, Any], case: Case, served: Sequence[Recorded]
) -> tuple[Happening, ...]:
    """Tell in order what is known; what happened at one time stays in its order."""
    told = [*case.history, *map(_serving, served)]
    if known.get("created") is not None:
        told.insert(0, Happening(at=known["created"], what="made", by=known["model"]))
    return tuple(sorted(told, key=lambda one: one.at))


def _serving(one: Recorded) -> Happening:
    near = "" if one.tier != "semantic" else f" at similarity {one.similarity or 0.0:.3f}"
    return Happening(at=one.at, what="served", why=f"lookup {one.id}, {one.tier}{near}")


def _served(one: Recorded) -> Served:
    return Served(
        lookup_id=one.id,
        at=one.at,
        similarity=one.similarity or 0.0,
        probability=one.probability,
    )
