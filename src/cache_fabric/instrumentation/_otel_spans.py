"""Events as OpenTelemetry spans: made when something has ended, below the caller's span."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from cache_fabric.instrumentation import otel_names as names
from cache_fabric.instrumentation._otel_content import conversation
from cache_fabric.instrumentation._otel_runs import RunSpans
from cache_fabric.instrumentation._remembered import Remembered
from cache_fabric.instrumentation.events import (
    Event,
    FeedbackEvent,
    LookupEvent,
    PublishEvent,
    RunEvent,
    StepEvent,
    StoreEvent,
)
from cache_fabric.types import Usage

__all__ = ["Spans"]

_MOST_CALLS = 4096  # calls after a miss that go on
_MOST_KEYS = 64
_SEPARATOR = "\x1f"  # of the paths of contexts, which hold the ids of tenants and users
_FAILED = Status(StatusCode.ERROR)
Attributes = dict[str, Any]
Content = Mapping[str, Any]


class _Asked(NamedTuple):
    """Where and when a lookup ended in a miss: what comes of it may be told elsewhere."""

    around: SpanContext
    at: int


class Spans:
    """Makes spans of events.

    Args:
        tracer: Makes spans.
        provider: Names who serves a model.
        model_calls: Whether the calls of models get spans here.
    """

    def __init__(
        self, tracer: Tracer, provider: Callable[[str], str | None], *, model_calls: bool
    ) -> None:
        self._tracer = tracer
        self._provider = provider
        self._model_calls = model_calls
        self._asked: Remembered[str, _Asked] = Remembered(_MOST_CALLS)
        self._runs = RunSpans(tracer)
        self._made: dict[type, Callable[[Any, Content], None]] = {
            LookupEvent: self._lookup,
            StoreEvent: self._call,
            FeedbackEvent: self._feedback,
            PublishEvent: self._publish,
            RunEvent: self._runs.hear_run,
            StepEvent: self._runs.hear_step,
        }

    def hear(self, event: Event, content: Content) -> None:
        """Make the span of an event; one that has none is passed over."""
        make = self._made.get(type(event))
        if make is not None:
            make(event, content)

    def close(self) -> None:
        """End the spans that are open."""
        self._runs.close()

    def _lookup(self, event: LookupEvent, content: Content) -> None:
        now = time.time_ns()
        if self._model_calls and event.outcome == "miss" and event.lookup_id is not None:
            around = get_current_span().get_span_context()
            self._asked.put(event.lookup_id, _Asked(around, now))
        attributes = {
            names.REQUEST_MODEL: event.model,
            names.PROVIDER: self._provider(event.model),
            names.CACHE_RESULT: event.result,
            names.CACHE_TIER: event.tier,
            names.CACHE_SIMILARITY: event.similarity,
            names.CACHE_REASON: event.reason,
            names.CACHE_DEGRADED: event.degraded,
            names.CACHE_ENTRY: event.entry_id,
            names.CACHE_ENTRY_AGE: None if event.born is None else max(0.0, now / 1e9 - event.born),
            names.LOOKUP_ID: event.lookup_id,
            names.TENANT: event.tenant,
            names.WORKFLOW: event.graph,
            **_avoided(event),
            **_prompts(event),
            **conversation(content),
        }
        self._ended(f"cache_lookup {event.model}", attributes, event.seconds, end=now)

    def _call(self, event: StoreEvent, content: Content) -> None:
        if not self._model_calls or event.outcome in ("dropped", "evicted"):
            return
        now = time.time_ns()
        asked = None if event.lookup_id is None else self._asked.pop(event.lookup_id)
        since_lookup = 0.0 if asked is None else (now - asked.at) / 1e9
        operation = names.CHAT if event.kind == "chat" else names.COMPLETION
        has_failed = event.outcome == "stale"
        attributes = {
            names.OPERATION: operation,
            names.REQUEST_MODEL: event.model,
            names.PROVIDER: self._provider(event.model),
            names.STORE_OUTCOME: event.outcome,
            names.CACHE_REASON: event.reason or None,
            names.CACHE_ENTRY: event.entry_id,
            names.LOOKUP_ID: event.lookup_id,
            names.EXPLORED: event.explored or None,
            names.SPENT_COST: _dollars(event.cost_micros),
            names.ERROR_TYPE: names.OTHER_ERROR if has_failed else None,
            **_spent(event.usage),
            **conversation(content),
        }
        self._ended(
            f"{operation} {event.model}",
            attributes,
            since_lookup if event.seconds is None else event.seconds,
            end=now,
            context=_below(asked),
            kind=SpanKind.CLIENT,
            has_failed=has_failed,
        )

    def _feedback(self, event: FeedbackEvent, content: Content) -> None:
        run = self._runs.of(event.execution_id)
        attributes = {
            names.EVALUATION_NAME: event.name,
            names.EVALUATION_SCORE: event.score,
            names.EVALUATION_LABEL: event.verdict if event.verdict != "none" else None,
            names.EVALUATION_EXPLANATION: content.get("comment"),
            names.EXECUTION_ID: event.execution_id,
            names.FEEDBACK_ANNOTATOR: event.annotator,
            names.FEEDBACK_TRUSTED: event.trusted,
            names.FEEDBACK_COMMENT_LABEL: content.get("label"),
            names.FEEDBACK_CORRECTION: content.get("correction"),
        }
        links = () if run is None else (Link(run),)
        self._ended(f"feedback {event.name}", attributes, 0.0, links=links)

    def _publish(self, event: PublishEvent, content: Content) -> None:
        has_failed = event.outcome != "published"
        attributes = {
            names.PUBLISH_CHANGE: event.change,
            names.PUBLISH_OUTCOME: event.outcome,
            names.CONTEXT_KEYS: list(event.keys[:_MOST_KEYS]),
            names.CONTEXT_REVISION: event.revision,
            names.ERROR_TYPE: event.outcome if has_failed else None,
        }
        self._ended("publish_contexts", attributes, event.seconds, has_failed=has_failed)

    def _ended(
        self,
        title: str,
        attributes: Attributes,
        seconds: float,
        *,
        end: int | None = None,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: tuple[Link, ...] = (),
        has_failed: bool = False,
    ) -> None:
        end = time.time_ns() if end is None else end
        span = self._tracer.start_span(
            title,
            context=context,
            kind=kind,
            attributes={name: value for name, value in attributes.items() if value is not None},
            links=links,
            start_time=end - int(max(0.0, seconds) * 1e9),
        )
        if has_failed:
            span.set_status(_FAILED)
        span.end(end)


def _below(asked: _Asked | None) -> Context | None:
    """The span that was current at the lookup; the answer may come in another task or thread."""
    if asked is None or not asked.around.is_valid:
        return None
    return set_span_in_context(NonRecordingSpan(asked.around))


def _avoided(event: LookupEvent) -> Attributes:
    """What a hit saved: under names of ours, so that nobody bills it."""
    usage = event.usage
    return {
        names.AVOIDED_COST: _dollars(event.saved_micros),
        names.AVOIDED_INPUT: None if usage is None else usage.input_tokens,
        names.AVOIDED_OUTPUT: None if usage is None else usage.output_tokens,
    }


def _spent(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    if usage.estimated:  # the conventions are for what the provider has counted
        return {
            names.ESTIMATED_INPUT: usage.input_tokens,
            names.ESTIMATED_OUTPUT: usage.output_tokens,
        }
    return {
        names.USAGE_INPUT: usage.input_tokens,
        names.USAGE_OUTPUT: usage.output_tokens,
        names.USAGE_CACHE_READ: usage.cache_read_tokens or None,
        names.USAGE_CACHE_CREATION: usage.cache_creation_tokens or None,
        names.USAGE_REASONING: usage.reasoning_tokens or None,
    }


def _prompts(event: LookupEvent) -> Attributes:
    if not event.contexts:
        return {}
    keys = [path.rpartition(_SEPARATOR)[2] for path, _ in event.contexts]
    return {
        names.PROMPT_NAME: keys[0],
        names.CONTEXT_KEYS: keys,
        names.CONTEXT_BEHAVIOUR: event.contexts[0][1],
    }


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6
