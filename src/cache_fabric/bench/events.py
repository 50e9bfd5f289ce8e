"""What the events of a lookup cost it: ``python -m cache_fabric.bench.events``.

The whole of it: the price of what was saved, the event, the hook, and the sums.
"""

from __future__ import annotations

import dataclasses
import timeit
from collections.abc import Callable

from cache_fabric.call_costs import CallCosts
from cache_fabric.instrumentation.events import StoreEvent, event_of
from cache_fabric.instrumentation.hooks import Hooks
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.pricing import PriceTable
from cache_fabric.types import CacheEntry, CacheRequest, Hit, KeySet, Miss, Ticket, Usage

__all__ = ["event_micros"]

_ROUNDS, _EACH = 20, 20_000


def event_micros() -> dict[str, float]:
    """Return the microseconds of each, in the fastest round: others share the cores."""
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
    hooks, costs = Hooks([Metrics()]), CallCosts(PriceTable.load())

    priced = dataclasses.replace(hit, **costs.saved(hit))

    def served() -> None:
        costs.saved(hit)
        hooks.tell(event_of(ticket, priced))

    def missed() -> None:
        hooks.tell(event_of(ticket, miss))

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
        )
        hooks.tell(event)

    work = {"hit": served, "miss": missed, "answer to a miss": answer}
    return {name: _fastest(each) for name, each in work.items()}


def _fastest(work: Callable[[], None]) -> float:
    return 1e6 * min(timeit.repeat(work, number=_EACH, repeat=_ROUNDS)) / _EACH


if __name__ == "__main__":
    for outcome, micros in event_micros().items():
        print(f"{outcome}: {micros:.2f} microseconds")
