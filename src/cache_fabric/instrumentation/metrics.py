"""Numbers that were measured: the figures that follow from sums over events.

Every figure names the event fields it is computed from. Unknown is ``None``, never 0.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from cache_fabric.instrumentation.coverage import count_price, coverage
from cache_fabric.instrumentation.events import (
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LabelEvent,
    LookupEvent,
    ReversalEvent,
    ShadowEvent,
    StoreEvent,
    ValueEvent,
    VerdictEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.guard_event import GuardEvent
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.policy.audit import Estimate

__all__ = ["Metrics", "figures"]


class Metrics:
    """Adds events up; a hook of the fabric, called from any thread."""

    def __init__(self) -> None:
        # A thread may take it twice: a garbage collection inside may end a run, which is an event.
        self._lock = threading.RLock()
        self._totals = Totals()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, LookupEvent):
                _add_lookup(self._totals, event)
            elif isinstance(event, LabelEvent):
                _add_label(self._totals, event)
            elif isinstance(event, ShadowEvent):
                _add_shadow(self._totals, event)
            elif isinstance(event, VerifierEvent | ExecutionEvent | GuardEvent):
                _by_outcome(self._totals, event)[event.outcome] += 1
            elif isinstance(event, FeedbackEvent):
                self._totals.feedback[event.verdict] += 1
            elif isinstance(event, ReversalEvent):
                _add_reversal(self._totals, event)
            elif isinstance(event, VerdictEvent):
                _add_verdict(self._totals, event)
            elif isinstance(event, ValueEvent):
                _add_values(self._totals, event)
            else:
                _add_answer(self._totals, event)

    def totals(self) -> Totals:
        """Return a copy of the sums so far."""
        copy = Totals()
        with self._lock:
            copy.add(self._totals)
        return copy


def _by_outcome(totals: Totals, event: VerifierEvent | ExecutionEvent | GuardEvent) -> Counter[str]:
    if isinstance(event, VerifierEvent):
        return totals.verifier
    return totals.executions if isinstance(event, ExecutionEvent) else totals.label_guards


def _add_lookup(totals: Totals, event: LookupEvent) -> None:
    totals.outcomes[_outcome(event)] += 1
    if event.degraded:
        totals.degraded[event.degraded] += 1
    if event.outcome == "miss" and event.similarity is not None:
        totals.refused += 1
    if event.outcome != "hit":
        return
    totals.tiers[event.tier or ""] += 1
    totals.hit_seconds += event.seconds
    if event.original_seconds is not None:
        totals.replayed += 1
        totals.replayed_seconds += event.seconds
        totals.original_seconds += event.original_seconds
    _add_price(totals, event, event.saved_micros)
    if event.saved_micros is not None:
        totals.priced += 1
        totals.saved_micros += event.saved_micros
    if event.usage is not None:
        totals.saved_tokens += event.usage.total_tokens


def _add_price(totals: Totals, event: LookupEvent | StoreEvent, micros: int | None) -> None:
    count_price(totals.prices, totals.unpriced, event.model, event.usage, micros)


def _outcome(event: LookupEvent) -> str:
    if event.stale:
        return "stale"
    return "coalesced" if event.tier == "flight" else event.outcome


def _add_label(totals: Totals, event: LabelEvent) -> None:
    totals.labels += 1
    totals.drifts += event.drifted
    if event.weight:
        totals.sampled += 1
        totals.sampled_weight += event.weight
        totals.sampled_squares += event.weight * event.weight
        totals.sampled_wrong += 0.0 if event.right else event.weight


def _add_shadow(totals: Totals, event: ShadowEvent) -> None:
    if event.right is None:
        totals.shadow[event.outcome] += 1
        totals.shadow["agreed"] += bool(event.agreed)
    elif event.outcome == "hit":
        totals.shadow["right" if event.right else "wrong"] += 1


def _add_reversal(totals: Totals, event: ReversalEvent) -> None:
    sign = -1 if event.again else 1
    totals.reversed += sign
    totals.reversed_micros += sign * (event.micros or 0)
    totals.reversed_tokens += sign * event.tokens


def _add_verdict(totals: Totals, event: VerdictEvent) -> None:
    totals.verdicts[event.action] += 1
    if event.taught is not None:
        totals.verdicts["learned" if event.taught else "not learned"] += 1


def _add_values(totals: Totals, event: ValueEvent) -> None:
    totals.values[f"{event.kind}.{event.outcome}"] += event.count
    if event.degraded:
        totals.values[f"{event.kind}.degraded"] += event.count


def _add_answer(totals: Totals, event: StoreEvent) -> None:
    totals.answers[event.outcome] += 1
    totals.evicted_bytes += event.size or 0
    if event.outcome in {"dropped", "evicted"}:
        return  # the same answer was counted when it was handed in
    if event.outcome in {"stored", "refused"}:
        _add_price(totals, event, event.cost_micros)
    if event.seconds is not None:
        totals.calls += 1
        totals.call_seconds += event.seconds
        totals.call_lookup_seconds += event.lookup_seconds
    if event.cost_micros is not None:
        totals.paid += 1
        totals.spent_micros += event.cost_micros
    if event.usage is not None:
        totals.spent_tokens += event.usage.total_tokens


def figures(totals: Totals) -> dict[str, Any]:
    """Return the figures that people ask for.

    ``hit_rate`` is percent of hits and misses (bypassed, coalesced and stale requests are in
    neither term), latencies are mean milliseconds of served requests, money is dollars.
    ``speedup`` is what the served requests would have taken without the cache (the recorded latency
    of the original call for hits, the measured one for misses) over what they took.
    """
    hits, misses = totals.outcomes["hit"], totals.outcomes["miss"]
    served_hits = hits + totals.outcomes["coalesced"] + totals.outcomes["stale"]
    calls = totals.call_seconds + totals.call_lookup_seconds
    without = totals.original_seconds + totals.call_seconds
    took = totals.replayed_seconds + calls
    saved = totals.saved_micros - totals.reversed_micros
    return {
        "hit_rate": _ratio(100.0 * hits, hits + misses),
        "avg_latency": _ratio(1e3 * (totals.hit_seconds + calls), served_hits + totals.calls),
        "cost_saved": _dollars(saved, totals.priced, served_hits, misses),
        "cost_reversed": totals.reversed_micros / 1e6,
        "hits_reversed": totals.reversed,
        "speedup": _ratio(without, took),
        "requests": totals.outcomes.total(),
        "hits": hits,
        "misses": misses,
        "coalesced": totals.outcomes["coalesced"],
        "stale": totals.outcomes["stale"],
        "stale_if_error": totals.answers["stale"],
        "bypassed": totals.outcomes["bypass"],
        "refused_near_misses": totals.refused,
        "labels": totals.labels,
        "drifts": totals.drifts,
        "wrong_semantic_hits": _wrong(totals),
        "shadow": _shadow(totals.shadow),
        "verifier": dict(totals.verifier),
        "executions": dict(totals.executions),
        "feedback": dict(totals.feedback),
        "label_guards": dict(totals.label_guards),
        "values": dict(totals.values),
        "verdicts": dict(totals.verdicts),
        "hits_by_tier": dict(totals.tiers),
        "degraded": dict(totals.degraded),
        "answers": dict(totals.answers),
        "evicted": totals.answers["evicted"],
        "evicted_bytes": totals.evicted_bytes,
        "avg_hit_latency": _ratio(1e3 * totals.hit_seconds, served_hits),
        "avg_miss_latency": _ratio(1e3 * calls, totals.calls),
        "cost_spent": _dollars(totals.spent_micros, totals.paid, totals.calls, served_hits),
        "tokens_saved": totals.saved_tokens - totals.reversed_tokens,
        "tokens_spent": totals.spent_tokens,
        **coverage(totals.prices, totals.unpriced),
    }


def _wrong(totals: Totals) -> dict[str, Any]:
    """The share of answers served by meaning that were wrong, from those that were asked anew."""
    estimate = Estimate.of(
        totals.sampled,
        totals.sampled_weight,
        totals.sampled_squares,
        totals.sampled_wrong,
    )
    shown = None if estimate.share is None else 100.0 * estimate.share
    return {
        "percent": shown,
        "low": 100.0 * estimate.low,
        "high": 100.0 * estimate.high,
        "sampled": estimate.asked,
    }


def _shadow(counts: Counter[str]) -> dict[str, Any] | None:
    """What the shadow policy would have done; ``None`` if there is none. Shares are percent.

    ``hit_rate`` is of the lookups that were judged by meaning, ``right`` of the would-be hits whose
    fresh answer is known.
    """
    if not counts.total():
        return None
    judged, labelled = counts["hit"] + counts["miss"], counts["right"] + counts["wrong"]
    return {
        "judged": judged,
        "hits": counts["hit"],
        "hit_rate": _ratio(100.0 * counts["hit"], judged),
        "agreement": _ratio(100.0 * counts["agreed"], judged),
        "labelled": labelled,
        "right": _ratio(100.0 * counts["right"], labelled),
        "faults": counts["fault"],
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _dollars(micros: int, known: int, of: int, others: int) -> float | None:
    """Nothing happened or nothing was priced: unknown. None of these, but others: truly zero."""
    if known or (not of and others):
        return micros / 1e6
    return None
