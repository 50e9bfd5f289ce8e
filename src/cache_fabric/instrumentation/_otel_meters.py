"""Events as OpenTelemetry metrics: sums and histograms, no ids and no names of people in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.metrics import Meter

from cache_fabric.instrumentation import otel_names as names
from cache_fabric.instrumentation.events import (
    ChangesEvent,
    EmbeddingEvent,
    Event,
    ExecutionEvent,
    FeedbackEvent,
    LookupEvent,
    PublishEvent,
    ResyncEvent,
    ReversalEvent,
    RunEvent,
    StoreEvent,
    VerifierEvent,
)
from cache_fabric.instrumentation.shares import OTHER

__all__ = ["Meters"]

_MOST_NAMES = 100  # of models and of graphs: each is a series of its own


class Meters:
    """Counts events.

    Args:
        meter: Makes the instruments.
        provider: Names who serves a model.
        model_calls: Whether the calls of models are counted here.
    """

    def __init__(
        self, meter: Meter, provider: Callable[[str], str | None], *, model_calls: bool
    ) -> None:
        self._provider = provider
        self._model_calls = model_calls
        self._known: dict[str, set[str]] = {"model": set(), "graph": set()}
        self._make_standard(meter)
        self._make_ours(meter)
        self._counts: dict[type, Callable[[Any], None]] = {
            LookupEvent: self._lookup,
            StoreEvent: self._store,
            EmbeddingEvent: self._embedding,
            VerifierEvent: self._verifier,
            ExecutionEvent: self._execution,
            FeedbackEvent: self._feedback,
            PublishEvent: self._publish,
            ChangesEvent: self._changes,
            ResyncEvent: self._resync,
            ReversalEvent: self._reversal,
            RunEvent: self._run,
        }

    def hear(self, event: Event) -> None:
        """Count an event; one that no metric is made of is passed over."""
        count = self._counts.get(type(event))
        if count is not None:
            count(event)

    def _make_standard(self, meter: Meter) -> None:
        self._durations = meter.create_histogram(
            names.OPERATION_DURATION,
            unit="s",
            description="Duration of model calls.",
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )
        self._runs = meter.create_histogram(
            names.WORKFLOW_DURATION,
            unit="s",
            description="Duration of executions.",
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE,
            unit="{token}",
            description="Tokens that providers have counted; nothing for a hit.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )

    def _make_ours(self, meter: Meter) -> None:
        count, dollars = meter.create_counter, "USD"
        self._lookups = count(names.LOOKUPS, "{lookup}", "Lookups by result.")
        self._lookup_seconds = meter.create_histogram(
            names.LOOKUP_DURATION,
            unit="s",
            description="What a lookup took its caller.",
            explicit_bucket_boundaries_advisory=names.LOOKUP_BUCKETS,
        )
        self._avoided = count(names.COST_AVOIDED, dollars, "Cost of the calls that hits avoided.")
        self._avoided_tokens = count(names.AVOIDED_TOKENS, "{token}", "Tokens of those calls.")
        self._spent = count(names.COST_SPENT, dollars, "Cost of the model calls after misses.")
        self._overhead = count(names.COST_OVERHEAD, dollars, "What the cache itself spent.")
        self._reversed = meter.create_up_down_counter(
            names.COST_REVERSED, dollars, "Avoided cost that bad feedback took back."
        )
        self._answers = count(names.ANSWERS, "{answer}", "Answers by what became of them.")
        self._executions = count(names.EXECUTIONS, "{execution}", "Executions by how written.")
        self._judged = count(names.FEEDBACK, "{feedback}", "Feedback by verdict.")
        self._publishes = count(names.PUBLISHES, "{publish}", "Writes of contexts.")
        self._propagation = meter.create_histogram(
            names.CONTEXT_PROPAGATION,
            unit="s",
            description="From the commit of a change of contexts until this process serves it.",
            explicit_bucket_boundaries_advisory=names.LOOKUP_BUCKETS,
        )
        self._resyncs = count(names.CONTEXT_RESYNCS, "{resync}", "Times that changes were missed.")

    def _lookup(self, event: LookupEvent) -> None:
        result = {names.CACHE_RESULT: event.result}
        if event.tier is not None:
            result[names.CACHE_TIER] = event.tier
        self._lookup_seconds.record(event.seconds, result)
        model = {names.REQUEST_MODEL: self._bounded("model", event.model)}
        self._lookups.add(1, {**result, **model})
        if event.saved_micros:
            self._avoided.add(event.saved_micros / 1e6, model)
        if event.usage is not None:
            for kind, tokens in _by_type(event.usage):
                self._avoided_tokens.add(tokens, {**model, names.TOKEN_TYPE: kind})

    def _store(self, event: StoreEvent) -> None:
        self._answers.add(1, {names.STORE_OUTCOME: event.outcome})
        model = {names.REQUEST_MODEL: self._bounded("model", event.model)}
        if event.cost_micros:
            self._spent.add(event.cost_micros / 1e6, model)
            if event.explored:
                self._overhead.add(event.cost_micros / 1e6, {names.OVERHEAD_REASON: "exploration"})
        if not self._model_calls or event.outcome in ("dropped", "evicted"):
            return
        of_call = {**model, **self._call(event)}
        if event.seconds is not None:
            self._durations.record(event.seconds, of_call)
        if event.usage is not None and not event.usage.estimated:
            for kind, tokens in _by_type(event.usage):
                self._tokens.record(tokens, {**of_call, names.TOKEN_TYPE: kind})

    def _call(self, event: StoreEvent) -> dict[str, str]:
        operation = names.CHAT if event.kind == "chat" else names.COMPLETION
        provider = self._provider(event.model)
        named = {} if provider is None else {names.PROVIDER: provider}
        return {names.OPERATION: operation, **named}

    def _embedding(self, event: EmbeddingEvent) -> None:
        if event.cost_micros:
            self._overhead.add(event.cost_micros / 1e6, {names.OVERHEAD_REASON: "embedding"})

    def _verifier(self, event: VerifierEvent) -> None:
        if event.cost_micros:
            self._overhead.add(event.cost_micros / 1e6, {names.OVERHEAD_REASON: "verifier"})

    def _reversal(self, event: ReversalEvent) -> None:
        if event.micros:
            self._reversed.add((-1 if event.again else 1) * event.micros / 1e6)

    def _execution(self, event: ExecutionEvent) -> None:
        self._executions.add(1, {names.STORE_OUTCOME: event.outcome})

    def _run(self, event: RunEvent) -> None:
        if event.what == "ended" and event.seconds is not None:
            attributes = {names.WORKFLOW: self._bounded("graph", event.graph)}
            if event.status == "error":
                attributes[names.ERROR_TYPE] = names.OTHER_ERROR
            self._runs.record(max(0.0, event.seconds), attributes)

    def _feedback(self, event: FeedbackEvent) -> None:
        told = {names.EVALUATION_LABEL: event.verdict, names.FEEDBACK_ANNOTATOR: event.annotator}
        self._judged.add(1, told)

    def _publish(self, event: PublishEvent) -> None:
        told = {names.PUBLISH_CHANGE: event.change, names.PUBLISH_OUTCOME: event.outcome}
        self._publishes.add(1, told)

    def _changes(self, event: ChangesEvent) -> None:
        self._propagation.record(event.seconds)

    def _resync(self, event: ResyncEvent) -> None:
        self._resyncs.add(1)

    def _bounded(self, dimension: str, name: str) -> str:
        known = self._known[dimension]
        if name in known:
            return name
        if len(known) >= _MOST_NAMES:
            return OTHER
        known.add(name)
        return name


def _by_type(usage: Any) -> tuple[tuple[str, int], ...]:
    return ("input", usage.input_tokens), ("output", usage.output_tokens)
