"""Executions as spans: one for the run, one below it for each step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode, Tracer, set_span_in_context

from cache_fabric.instrumentation import otel_names as names
from cache_fabric.instrumentation._otel_content import as_text
from cache_fabric.instrumentation._remembered import Remembered
from cache_fabric.instrumentation.run_events import RunEvent, StepEvent

__all__ = ["RunSpans"]

_MOST_OPEN = 1024
_MOST_STEPS = 128  # spans of a run that is handed in whole: they are made while its caller waits
_LATEST = 2.0**32  # seconds since the epoch
_FAILED = Status(StatusCode.ERROR)
Attributes = dict[str, Any]
Content = Mapping[str, Any]


class RunSpans:
    """Makes the spans of executions.

    No span says ``gen_ai.usage.*``: the spans of the model calls do, and nothing is to be billed
    twice.

    Args:
        tracer: Makes spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: Remembered[tuple[str, str | None], Span] = Remembered(_MOST_OPEN)
        self._ended: Remembered[str, SpanContext] = Remembered(_MOST_OPEN)

    def of(self, execution_id: str) -> SpanContext | None:
        """Name the span of a run that ended in this process not long ago."""
        return self._ended.get(execution_id)

    def hear_run(self, event: RunEvent, content: Content) -> None:
        """Begin or end the span of a run."""
        name = (event.execution_id, event.run)
        if event.what == "begun":
            started = self._start(event, _nanos(event.started))
            for given_up in self._open.put(name, started):
                given_up.end()
            return
        end = _nanos(_end_of(event.started, event.seconds))
        span = self._open.pop(name)
        if span is None:
            span = self._start(event, _begin(end, event.seconds))
            self._add_steps(event, content, span, end)
        span.set_attributes(_known(_end_attributes(event, content)))
        if event.status == "error":
            span.set_attribute(names.ERROR_TYPE, names.OTHER_ERROR)
            span.set_status(_FAILED)
        span.end(end)
        self._ended.put(event.execution_id, span.get_span_context())

    def hear_step(self, event: StepEvent, content: Content) -> None:
        """Make the span of a step that a run told of."""
        around = self._open.get((event.execution_id, event.run))
        parent = None if around is None else set_span_in_context(around)
        self._step(event, content, parent, time.time_ns())

    def close(self) -> None:
        """End the spans of runs that have not ended: they would never be exported."""
        for span in self._open.clear():
            span.end()

    def _start(self, event: RunEvent, start: int) -> Span:
        is_agent = event.agent is not None
        operation = names.INVOKE_AGENT if is_agent else names.INVOKE_WORKFLOW
        attributes = {
            names.OPERATION: operation,
            names.WORKFLOW: event.graph,
            names.AGENT: event.agent,
            names.CONVERSATION: event.conversation,
            names.EXECUTION_ID: event.execution_id,
        }
        title = f"{operation} {event.agent if is_agent else event.graph}"
        return self._tracer.start_span(title, attributes=_known(attributes), start_time=start)

    def _add_steps(self, event: RunEvent, content: Content, run: Span, run_end: int) -> None:
        said: Sequence[Content] = content.get("steps", ())
        spans: dict[str | None, Span] = {}
        for place, step in enumerate(event.steps()):
            if place >= _MOST_STEPS:
                break
            around = set_span_in_context(spans.get(step.parent, run))
            known = step.started is not None
            end = _nanos(_end_of(step.started, step.seconds)) if known else run_end
            words = said[place] if place < len(said) else {}
            span = self._step(step, words, around, end)
            if step.id is not None:
                spans[step.id] = span

    def _step(self, event: StepEvent, content: Content, parent: Context | None, end: int) -> Span:
        is_tool = event.kind == "tool"
        attributes = {
            names.OPERATION: names.EXECUTE_TOOL if is_tool else None,
            names.TOOL_NAME: event.name if is_tool else None,
            names.STEP_KIND: event.kind,
            names.STEP_NAME: event.name,
            names.EXECUTION_ID: event.execution_id,
            names.EXECUTION_STATUS: event.status,
            names.CACHE_RESULT: event.outcome,
            **_words(content, is_tool=is_tool),
        }
        span = self._tracer.start_span(
            f"{names.EXECUTE_TOOL if is_tool else event.kind} {event.name}".rstrip(),
            context=parent,
            attributes=_known(attributes),
            start_time=_begin(end, event.seconds),
        )
        if event.status == "error":
            span.set_attribute(names.ERROR_TYPE, names.OTHER_ERROR)
            span.set_status(_FAILED)
        span.end(end)
        return span


def _end_attributes(event: RunEvent, content: Content) -> Attributes:
    key, version = event.contexts[0] if event.contexts else (None, None)
    return {
        names.EXECUTION_STATUS: event.status,
        names.PROMPT_NAME: key,
        names.PROMPT_VERSION: None if version is None else str(version),
        names.CONTEXT_KEYS: [named for named, _ in event.contexts] or None,
        **_words(content, is_tool=False),
    }


def _words(content: Content, *, is_tool: bool) -> Attributes:
    given, came_of_it = content.get("input"), content.get("output")
    return {
        names.TOOL_ARGUMENTS if is_tool else names.INPUT: None if given is None else as_text(given),
        names.TOOL_RESULT if is_tool else names.OUTPUT: (
            None if came_of_it is None else as_text(came_of_it)
        ),
    }


def _known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _nanos(seconds: float | None) -> int:
    """Return a time that exporters can write; what is none is now."""
    if seconds is None or not 0 <= seconds < _LATEST:
        return time.time_ns()
    return int(seconds * 1e9)


def _end_of(started: float | None, seconds: float | None) -> float | None:
    return None if started is None or seconds is None else started + max(0.0, seconds)


def _begin(end: int, seconds: float | None) -> int:
    if seconds is None or not 0 <= seconds < end / 1e9:
        return end
    return max(0, end - int(seconds * 1e9))
