"""Spans and metrics that stay in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.otel import instrument, uninstrument


class Told:
    """What one fabric told OpenTelemetry."""

    def __init__(self, fabric: CacheFabric) -> None:
        self.fabric = fabric
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracers.get_tracer("the application")

    def start(self, **options: Any) -> None:
        instrument(self.fabric, tracer_provider=self.tracers, meter_provider=self.meters, **options)

    def stop(self) -> None:
        uninstrument(self.fabric)
        self.meters.shutdown()
        self.tracers.shutdown()

    def spans(self, name: str = "") -> list[ReadableSpan]:
        return [s for s in self._exporter.get_finished_spans() if s.name.startswith(name)]

    def span(self, name: str) -> ReadableSpan:
        [span] = self.spans(name)
        return span

    def attributes(self, name: str) -> dict[str, Any]:
        return dict(self.span(name).attributes or {})

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return attributes and value of each series: of a histogram its sum."""
        data = self._reader.get_metrics_data()
        found = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [
            (dict(p.attributes or {}), p.value if hasattr(p, "value") else p.sum) for p in found
        ]

    def everything(self) -> str:
        """Return all that was told, as text."""
        data = self._reader.get_metrics_data()
        return "".join(s.to_json() for s in self.spans()) + ("" if data is None else data.to_json())


@pytest.fixture
def told(fabric: CacheFabric) -> Iterator[Told]:
    made = Told(fabric)
    yield made
    made.stop()
