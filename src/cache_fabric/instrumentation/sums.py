"""How each event adds to the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from cache_fabric.instrumentation.coverage import count_price
from cache_fabric.instrumentation.events import (
    ChangesEvent,
    EmbeddingEvent,
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LabelEvent,
    LookupEvent,
    PublishEvent,
    ResyncEvent,
    ReversalEvent,
    ShadowEvent,
    StoreEvent,
    ValueEvent,
    VerdictEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.guard_event import GuardEvent
from cache_fabric.instrumentation.latencies import bucket
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.types import Usage

__all__ = ["add_event"]


def add_event(totals: Totals, event: Event) -> None:
    """Add an event to the sums; of some kinds nothing is counted."""
    rule = _RULES.get(type(event))
    if rule is not None:
        rule(totals, event)


def _add_lookup(totals: Totals, event: LookupEvent) -> None:
    outcome, tier = event.result, event.tier or ""
    totals.requests.count(event.model, event.graph, f"{outcome}.{tier}")
    if event.degraded:
        totals.degraded[event.degraded] += 1
    if event.outcome == "bypass":
        return
    totals.shares.count(event)
    if event.outcome == "miss":
        totals.refused += event.similarity is not None
        return
    _add_seconds(totals, totals.latencies, tier, event.seconds)
    if event.original_seconds is not None:
        totals.replayed_seconds += event.seconds
        totals.original_seconds += event.original_seconds
    _add_price(totals, event, event.saved_micros)
    if event.saved_micros is not None:
        totals.priced += 1
        totals.saved_micros += event.saved_micros
    if event.usage is not None:
        totals.saved_tokens += event.usage.total_tokens
        totals.saved_output_tokens += event.usage.output_tokens
        _add_cached(totals, "avoided", event.usage)


def _add_seconds(totals: Totals, buckets: Counter[str], kind: str, seconds: float) -> None:
    buckets[bucket(kind, seconds)] += 1
    totals.nanos[kind] += int(1e9 * seconds)


def _add_cached(totals: Totals, source: str, usage: Usage) -> None:
    if usage.cache_read_tokens or usage.cache_creation_tokens:
        totals.cached_tokens[f"{source}.cache_read"] += usage.cache_read_tokens
        totals.cached_tokens[f"{source}.cache_creation"] += usage.cache_creation_tokens


def _add_price(totals: Totals, event: LookupEvent | StoreEvent, micros: int | None) -> None:
    count_price(totals.prices, totals.unpriced, event.model, event.usage, micros)


def _add_label(totals: Totals, event: LabelEvent) -> None:
    totals.labels += 1
    totals.drifts += event.drifted
    if event.weight:
        totals.sampled += 1
        totals.found_wrong += not event.right
        totals.sampled_weight += event.weight
        totals.sampled_squares += event.weight * event.weight
        totals.sampled_wrong += 0.0 if event.right else event.weight


def _add_shadow(totals: Totals, event: ShadowEvent) -> None:
    if event.right is None:
        totals.shadow[event.outcome] += 1
        totals.shadow["agreed"] += bool(event.agreed)
    elif event.outcome == "hit":
        totals.shadow["right" if event.right else "wrong"] += 1


def _add_verifier(totals: Totals, event: VerifierEvent) -> None:
    totals.verifier[event.outcome] += 1
    if event.cost_micros is not None:
        totals.verified_priced += 1
        totals.verified_micros += event.cost_micros


def _add_reversal(totals: Totals, event: ReversalEvent) -> None:
    sign = -1 if event.again else 1
    totals.reversed += sign
    totals.reversed_micros += sign * (event.micros or 0)
    totals.reversed_tokens += sign * event.tokens
    totals.rebooked_micros += (event.micros or 0) if event.again else 0


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
    if event.outcome == "evicted":
        totals.evictions[event.reason.partition(":")[0]] += 1
        totals.evicted_bytes += event.size or 0
    if event.outcome in {"dropped", "evicted"}:
        return  # the same answer was counted when it was handed in
    if event.outcome in {"released", "stale"}:
        totals.requests.count(event.model, event.graph, "failed")
        totals.shares.count_failed(event)
    if event.outcome in {"stored", "refused"}:
        _add_price(totals, event, event.cost_micros)
    if event.seconds is not None:
        totals.calls += 1
        _add_seconds(totals, totals.latencies, "miss", event.lookup_seconds + event.seconds)
        _add_seconds(totals, totals.durations, "upstream", event.seconds)
    if event.cost_micros is not None:
        totals.paid += 1
        totals.spent_micros += event.cost_micros
        totals.provider_saved_micros += event.provider_saved_micros
    if event.explored:
        totals.explored += 1
        totals.explored_priced += event.cost_micros is not None
        totals.explored_micros += event.cost_micros or 0
    if event.usage is not None:
        totals.spent_tokens += event.usage.total_tokens
        totals.spent_output_tokens += event.usage.output_tokens
        _add_cached(totals, "upstream", event.usage)


def _add_embedding(totals: Totals, event: EmbeddingEvent) -> None:
    totals.embedded += event.texts
    totals.embedded_tokens += event.tokens
    if event.cost_micros is not None:
        totals.embedded_priced += event.texts
        totals.embedded_micros += event.cost_micros


def _add_feedback(totals: Totals, event: FeedbackEvent) -> None:
    totals.feedback[event.verdict] += 1
    totals.annotators[f"{event.annotator}.{event.verdict}"] += 1


def _add_execution(totals: Totals, event: ExecutionEvent) -> None:
    totals.executions[event.outcome] += 1


def _add_guard(totals: Totals, event: GuardEvent) -> None:
    totals.label_guards[event.outcome] += 1


def _add_publish(totals: Totals, event: PublishEvent) -> None:
    totals.publishes[f"{event.change}.{event.outcome}"] += 1


def _add_changes(totals: Totals, event: ChangesEvent) -> None:
    _add_seconds(totals, totals.durations, "propagation", event.seconds)


def _add_resync(totals: Totals, _: ResyncEvent) -> None:
    totals.resyncs += 1


_RULES: dict[type, Callable[[Totals, Any], None]] = {
    LookupEvent: _add_lookup,
    StoreEvent: _add_answer,
    EmbeddingEvent: _add_embedding,
    LabelEvent: _add_label,
    ShadowEvent: _add_shadow,
    VerifierEvent: _add_verifier,
    ExecutionEvent: _add_execution,
    FeedbackEvent: _add_feedback,
    GuardEvent: _add_guard,
    PublishEvent: _add_publish,
    ChangesEvent: _add_changes,
    ResyncEvent: _add_resync,
    ReversalEvent: _add_reversal,
    ValueEvent: _add_values,
    VerdictEvent: _add_verdict,
}
