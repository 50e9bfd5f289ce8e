"""Explains lookups and kept answers from what is remembered of them."""

from __future__ import annotations

import dataclasses
import time

from cache_fabric.decisions import KEPT, Decisions, Recorded
from cache_fabric.engine import Engine
from cache_fabric.errors import NotFound
from cache_fabric.explanation import (
    AuditState,
    BudgetState,
    CandidateExplanation,
    EntryExplanation,
    FeatureExplanation,
    LookupExplanation,
    Scoring,
    Served,
)
from cache_fabric.freshness import is_fresh
from cache_fabric.guard import compare
from cache_fabric.matcher.features import NAMES
from cache_fabric.policy.audit import Estimate
from cache_fabric.policy.trace import Scores, Trace
from cache_fabric.types import CacheEntry

__all__ = ["Explanations"]


class Explanations:
    """The explanations of one engine.

    Args:
        engine: Finds kept answers by their id.
        decisions: The lookups that are remembered.
    """

    def __init__(self, engine: Engine, decisions: Decisions) -> None:
        self._engine = engine
        self._decisions = decisions

    async def explain(self, of: str, texts: bool) -> LookupExplanation | EntryExplanation:
        """Explain a lookup or an entry by its id; ``texts`` asks for the words of prompts.

        Raises `NotFound` for an id of neither, `BackendError` where the store failed.
        """
        recorded = self._decisions.find(of)
        if recorded is not None:
            explained = _lookup(recorded)
            return await self._worded(explained, recorded) if texts else explained
        entry = await self._engine.entry(of)
        if entry is not None:
            return _entry(entry, self._decisions.about(of), texts)
        raise NotFound(
            f"{of!r} is neither a kept answer nor one of the last {KEPT:,} lookups of this process"
        )

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


def _entry(entry: CacheEntry, met: list[Recorded], texts: bool) -> EntryExplanation:
    now = time.time()
    hits = [one for one in met if one.entry_id == entry.id]
    return EntryExplanation(
        id=entry.id,
        model=entry.model,
        tenant=entry.tenant,
        user=entry.user,
        tags=entry.tags,
        contexts=entry.contexts,
        embedder=entry.embedder,
        created=entry.created,
        age=entry.age(now),
        expires=entry.expires,
        expired=not is_fresh(entry, now),
        latency=entry.latency,
        cost_micros=entry.cost_micros,
        tokens=None if entry.usage is None else entry.usage.total_tokens,
        hits=tuple(_served(one) for one in reversed(hits)),
        refused=len(met) - len(hits),
        question=entry.question if texts else None,
        text=entry.text if texts else None,
    )


def _served(one: Recorded) -> Served:
    return Served(
        lookup_id=one.id,
        at=one.at,
        similarity=one.similarity or 0.0,
        probability=one.probability,
    )
