"""How much of the money is known: the figures next to which every sum of money is to be read.

From `LookupEvent` of hits, coalesced and stale ones as well, and `StoreEvent` of answers that were
stored or refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cache_fabric.types import Usage

__all__ = ["OTHER", "add_unpriced", "count_price", "coverage"]

OTHER = "(other)"
_MOST_NAMES = 20
_MOST_KEPT = 100
_NAME = 128

# Of an answer: priced by tokens that were counted or estimated; its model is not; or no tokens.
_COUNTED, _ESTIMATED, _UNPRICED, _NO_USAGE = "counted", "estimated", "unpriced", "no usage"


def count_price(
    prices: Counter[str],
    unpriced: Counter[str],
    model: str,
    usage: Usage | None,
    micros: int | None,
) -> None:
    """Count one answer, and its model where that has no price; none that no model gave.

    Args:
        prices: Answers by how they are priced.
        unpriced: Answers by model; the names that come first have a count of their own.
    """
    if micros is not None:
        prices[_ESTIMATED if usage is not None and usage.estimated else _COUNTED] += 1
    elif usage is None:
        prices[_NO_USAGE] += 1
    elif usage.total_tokens:
        prices[_UNPRICED] += 1
        name = model[:_NAME].encode(errors="replace").decode()
        unpriced[name if name in unpriced or len(unpriced) < _MOST_NAMES else OTHER] += 1


def add_unpriced(mine: Counter[str], theirs: Mapping[str, int], sign: int = 1) -> None:
    """Add counts by model. The names that come first keep theirs, so that none ever goes down."""
    for name, count in theirs.items():
        is_named = name in mine or len(mine) < _MOST_KEPT
        mine[name if is_named else OTHER] += sign * count


def coverage(prices: Mapping[str, int], unpriced: Counter[str]) -> dict[str, Any]:
    """Return the figures.

    ``pricing_coverage``: percent of the answers, served or fresh, whose price is known.
    ``pricing_estimated``: percent of those whose tokens nobody counted. ``unpriced_models``: the
    answers of models without a price, most first, the rest of them as ``(other)``.
    """
    known = prices.get(_COUNTED, 0) + prices.get(_ESTIMATED, 0)
    every = known + prices.get(_UNPRICED, 0) + prices.get(_NO_USAGE, 0)
    named = Counter({name: count for name, count in unpriced.items() if name != OTHER})
    shown = dict(named.most_common(_MOST_NAMES))
    rest = unpriced.total() - sum(shown.values())
    return {
        "pricing_coverage": 100.0 * known / every if every else None,
        "pricing_estimated": 100.0 * prices.get(_ESTIMATED, 0) / known if known else None,
        "unpriced_models": {**shown, OTHER: rest} if rest else shown,
    }
