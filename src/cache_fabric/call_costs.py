"""What calls cost and hits avoid, in micro-dollars at the prices in force."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from cache_fabric.pricing import PriceTable
from cache_fabric.types import Hit, Usage

__all__ = ["CallCosts"]

_REMEMBERED = 4096  # a hit asks for a price as well, and most of them for the same few


class CallCosts:
    """Prices of calls; called from any thread."""

    def __init__(self, prices: PriceTable) -> None:
        self._cost = functools.lru_cache(maxsize=_REMEMBERED)(prices.cost_micros)

    def saved(self, hit: Hit) -> dict[str, Any]:
        """Return what the call of a hit would cost now, with the discount that it really had.

        By the names that a hit has for it; ``None`` where its tokens or their price are not known.
        """
        usage = hit.entry.usage
        if usage is None:
            return {}
        micros = self._cost(hit.entry.model, usage)
        return {"saved_micros": micros, "saved_tokens": usage.total_tokens}

    def of(self, model: str, usage: Usage | None) -> tuple[int | None, int]:
        """Return what a call cost, and how much more without the provider's prompt cache."""
        cost = None if usage is None else self._cost(model, usage)
        if usage is None or cost is None or not usage.cache_read_tokens:
            return cost, 0
        uncached = self._cost(model, dataclasses.replace(usage, cache_read_tokens=0))
        return cost, (uncached or cost) - cost
