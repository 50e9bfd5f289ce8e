"""What the events of a lookup cost it: ``python -m cache_fabric.bench.events``.

The whole of it: the price of what was saved, the event, the hooks, and the sums; then the same with
who else may listen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import timeit
from collections.abc import Callable, Iterator

from cache_fabric.call_costs import CallCosts
from cache_fabric.errors import MissingExtraError
from cache_fabric.factory import create_cache_fabric
from cache_fabric.instrumentation.events import StoreEvent, event_of, said_in
from cache_fabric.instrumentation.hooks import Hooks
from cache_fabric.instrumentation.logs import JsonFormatter, log_events
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.pricing import PriceTable
from cache_fabric.types import Answer, CacheEntry, CacheRequest, Hit, KeySet, Miss, Ticket, Usage

__all__ = ["event_micros", "listeners"]

_ROUNDS, _EACH = 100, 500  # short rounds: some of them have a core to themselves


def event_micros(hooks: Hooks | None = None) -> dict[str, float]:
    """Return the microseconds of each, in the fastest round: others share the cores.

    Args:
        hooks: Hear the events; default is the sums alone, as in a fabric with no other hooks.
    """
    request = CacheRequest(model="gpt-4o-mini", messages=[], tenant="acme")
    keys = KeySet("p", "e", "q", (("global\x1fsupport:prompt", 2),))
    ticket = Ticket(keys, request, (0, 0), 0.0, id="x-1")
    entry = CacheEntry(
        id="e.1",
        exact="e",
        partition="p",
        question="q",
        payload="By post.",
        model="gpt-4o-mini",
        created=0.0,
        usage=Usage(input_tokens=1000, output_tokens=100),
        latency=0.9,
    )
    hit = Hit(entry=entry, tier="hot", seconds=0.0001)
    miss = Miss(ticket=ticket, reason="not found", seconds=0.001)
    tell, costs = (hooks or Hooks([Metrics()])).tell, CallCosts(PriceTable.load())
    said = Answer(payload="By post.")

    priced = dataclasses.replace(hit, **costs.saved(hit))

    def served() -> None:
        costs.saved(hit)
        tell(event_of(ticket, priced), lambda: said_in(request, priced))

    def missed() -> None:
        tell(event_of(ticket, miss), lambda: said_in(request, miss))

    def answer() -> None:
        cost, saved = costs.of(request.model, entry.usage)
        event = StoreEvent(
            outcome="stored",
            model=request.model,
            usage=entry.usage,
            seconds=0.9,
            lookup_seconds=0.001,
            cost_micros=cost,
            provider_saved_micros=saved,
            lookup_id=ticket.id,
        )
        tell(event, lambda: said_in(request, said))

    work = {"hit": served, "miss": missed, "answer to a miss": answer}
    return {name: _fastest(each) for name, each in work.items()}


def listeners() -> Iterator[tuple[str, Hooks]]:
    """Yield who may listen, from a fabric's own sums alone to spans that an SDK keeps."""
    yield "the sums alone", create_cache_fabric("memory")._hooks
    yield "and log records of a level that is off", _logged(logging.DEBUG)
    yield "and log records as JSON", _logged(logging.INFO)
    with contextlib.suppress(MissingExtraError):
        from cache_fabric.instrumentation.otel import instrument

        fabric = create_cache_fabric("memory")
        instrument(fabric)
        yield "and OpenTelemetry without an SDK", fabric._hooks
        with contextlib.suppress(ModuleNotFoundError):
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.trace import TracerProvider

            fabric = create_cache_fabric("memory")
            instrument(fabric, tracer_provider=TracerProvider(), meter_provider=MeterProvider())
            yield "and OpenTelemetry with its SDK, nothing exported", fabric._hooks


def _logged(level: int) -> Hooks:
    """Return hooks with a log whose lines are written into nothing."""
    logger, handler = logging.getLogger(f"{__name__}.{level}"), _Discarding()
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    fabric = create_cache_fabric("memory")
    log_events(fabric, logger, level)
    return fabric._hooks


class _Discarding(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def _fastest(work: Callable[[], None]) -> float:
    return 1e6 * min(timeit.repeat(work, number=_EACH, repeat=_ROUNDS)) / _EACH


if __name__ == "__main__":
    for who, hooks in listeners():
        print(f"{who}:")
        for outcome, micros in event_micros(hooks).items():
            print(f"  {outcome}: {micros:.2f} microseconds")
