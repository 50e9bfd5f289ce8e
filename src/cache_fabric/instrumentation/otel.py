"""OpenTelemetry: spans and metrics of what a fabric does, with the names of the GenAI conventions.

``instrument(fabric)`` needs the API alone; what becomes of spans and metrics is decided by the SDK
that the application has set up. Names are in `otel_names`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cache_fabric import __version__
from cache_fabric.errors import ConfigurationError, MissingExtraError, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.otel_names import provider_name

try:
    from opentelemetry import metrics, trace

    from cache_fabric.instrumentation._otel_meters import Meters
    from cache_fabric.instrumentation._otel_spans import Spans
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise MissingExtraError("otel", __name__) from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument", "uninstrument"]

_SCOPE = "cache_fabric"
_PROVIDERS_KEPT = 1024  # models whose provider is remembered


def instrument(
    fabric: CacheFabric,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool = False,
    model_calls: bool = True,
) -> None:
    """Make spans and metrics of what this process does with a fabric, until `uninstrument`.

    Spans of lookups, of the model calls after misses, of executions and their steps, of feedback
    and of publishes hang below the span that is current for the caller. A hit says nothing of
    ``gen_ai.usage.*``: what it saved is under ``cachefabric.*``.

    Args:
        fabric: Is heard.
        tracer_provider: Default is the global one.
        meter_provider: Default is the global one.
        content: Also write prompts, answers, comments and corrections into the spans.
        model_calls: False where the client of the model is instrumented itself: else each call
            would have two spans, and its tokens would be counted twice.

    Raises:
        ValidationError: It is no fabric, or ``content`` is not a bool.
        ConfigurationError: The fabric is instrumented already.
    """
    if not isinstance(fabric, CacheFabric):
        raise ValidationError("fabric", f"expected a CacheFabric, got {type(fabric).__name__}")
    for name, value in (("content", content), ("model_calls", model_calls)):
        if not isinstance(value, bool):  # "false" is true
            raise ValidationError(name, f"expected True or False, got {value!r:.40}")
    if _hooks_of(fabric):
        raise ConfigurationError("instrument: this fabric is instrumented already")
    prices = fabric.prices
    prices.find("")  # reads the table now, so that no lookup waits for its file

    @functools.lru_cache(maxsize=_PROVIDERS_KEPT)
    def provider(model: str) -> str | None:
        return provider_name(model, prices.provider(model))

    tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
    meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
    hook = _Hook(
        Spans(tracer, provider, model_calls=model_calls),
        Meters(meter, provider, model_calls=model_calls),
    )
    fabric.add_hook(hook, content=content)


def uninstrument(fabric: CacheFabric) -> None:
    """Make no more spans and metrics; the spans of runs that go on end. Idempotent."""
    for hook in _hooks_of(fabric):
        fabric.remove_hook(hook)
        hook.spans.close()


class _Hook:
    """Hears events, and what was said around them if it was given leave."""

    def __init__(self, spans: Spans, meters: Meters) -> None:
        self.spans = spans
        self.meters = meters

    def __call__(self, event: Event, content: Mapping[str, Any] | None = None) -> None:
        self.spans.hear(event, content or {})
        self.meters.hear(event)


def _hooks_of(fabric: CacheFabric) -> list[_Hook]:
    return [hook for hook in fabric._hooks.all() if isinstance(hook, _Hook)]
