"""The figures of money: what was avoided, what that cost, and what was taken back.

Sums are integer micro-dollars, shown as dollars; unknown is ``None``, never 0. A call that was made
to check an answer that would have been served is in both terms of the net: it is avoided as far as
answers go, and overhead as the cache chose to make it. So what was paid (``cost_spent`` and the
embeddings) and the net saving before reversals are together the bill of the same traffic without a
cache.
"""

from __future__ import annotations

from typing import Any

from cache_fabric.instrumentation.coverage import coverage
from cache_fabric.instrumentation.shares import DIMENSIONS, OTHER, ROW, Shares
from cache_fabric.instrumentation.totals import Totals

__all__ = ["money", "savings"]

_MOST_SHOWN = 20


def money(totals: Totals) -> dict[str, Any]:
    """Return the figures of money and tokens.

    ``cost_avoided``: ``LookupEvent.saved_micros`` of hits, coalesced and stale ones as well, and
    ``StoreEvent.cost_micros`` of calls that were ``explored``. ``cost_overhead``: these calls again
    and `EmbeddingEvent` and `VerifierEvent`, each by itself in ``cost_overhead_by``: ``None`` where
    there were some and none has a price. Then the whole is ``None``, and so is the net, but for
    calls that only check an answer, which are in both of its terms.
    ``overhead_coverage``: percent of them that have one. ``cost_reversed``: `ReversalEvent`.
    ``cost_saved``: the first less the other two. ``cost_spent``: ``StoreEvent.cost_micros``.
    ``provider_cache_saved``: what the provider's own prompt cache took off that; in no other sum.
    How much of all this is known: `coverage.coverage`.
    """
    outcomes = totals.outcomes
    served = sum(outcomes[name] for name in ("hit", "coalesced", "stale"))
    others = outcomes["miss"]
    avoided = totals.saved_micros + totals.explored_micros
    by = _overhead(totals)
    overhead = totals.explored_micros + totals.embedded_micros + totals.verified_micros
    unknown = {name for name, part in by.items() if part is None}
    is_known = bool(totals.priced or totals.explored_priced or (others and not served))
    is_spent_known = bool(totals.paid or (served and not totals.calls))
    net = avoided - overhead - totals.reversed_micros
    return {
        "cost_saved": net / 1e6 if is_known and unknown <= {"exploration"} else None,
        "cost_avoided": avoided / 1e6 if is_known else None,
        "cost_overhead": overhead / 1e6 if (served or others) and not unknown else None,
        "cost_overhead_by": by,
        "overhead_coverage": _overhead_coverage(totals),
        "cost_reversed": totals.reversed_micros / 1e6,
        "hits_reversed": totals.reversed,
        "cost_spent": totals.spent_micros / 1e6 if is_spent_known else None,
        "provider_cache_saved": totals.provider_saved_micros / 1e6 if totals.paid else None,
        "tokens_saved": totals.saved_tokens - totals.reversed_tokens,
        "tokens_avoided": totals.saved_tokens,
        "tokens_spent": totals.spent_tokens,
        **coverage(totals.prices, totals.unpriced),
    }


def savings(shares: Shares) -> dict[str, list[dict[str, Any]]]:
    """Return, by dimension, what was avoided for whom, before overhead and reversals.

    From `LookupEvent`, and `StoreEvent` of calls that gave no answer: ``lookups`` are ``hits``,
    misses, ``shared`` (coalesced and stale) and ``failed`` ones; ``hit_rate`` is percent of the
    first two. Those that avoided most come first; all others are one row, ``(other)``. A
    request with several tags or contexts counts for each of them.
    """
    found = {}
    for dimension in DIMENSIONS:
        rows = shares.rows()[dimension]
        names = sorted(
            (name for name in rows if name != OTHER),
            key=lambda name: (-rows[name][2], -rows[name][1], -rows[name][0], name),
        )
        shown = {name: rows[name] for name in names[:_MOST_SHOWN]}
        rest = [rows[name] for name in names[_MOST_SHOWN:]]
        rest += [rows[OTHER]] if OTHER in rows else []
        if rest:
            shown[OTHER] = [sum(numbers) for numbers in zip(*rest, strict=True)]
        found[dimension] = [_shown(name, row) for name, row in shown.items()]
    return found


def _shown(name: str, row: list[int]) -> dict[str, Any]:
    of = dict(zip(ROW, row, strict=True))
    answered = max(of["hits"], of["lookups"] - of["shared"] - of["failed"])
    return {
        "name": name,
        "lookups": of["lookups"],
        "hits": of["hits"],
        "shared": of["shared"],
        "failed": of["failed"],
        "hit_rate": 100.0 * of["hits"] / answered if answered else None,
        "cost_avoided": of["micros"] / 1e6,
        "tokens_avoided": of["tokens"],
    }


def _overhead(totals: Totals) -> dict[str, float | None]:
    asked = totals.verifier.total()
    return {
        "embedding": _part(totals.embedded_micros, totals.embedded_priced, totals.embedded),
        "exploration": _part(totals.explored_micros, totals.explored_priced, totals.explored),
        "verifier": _part(totals.verified_micros, totals.verified_priced, asked),
    }


def _overhead_coverage(totals: Totals) -> float | None:
    priced = totals.embedded_priced + totals.explored_priced + totals.verified_priced
    every = totals.embedded + totals.explored + totals.verifier.total()
    return 100.0 * priced / every if every else None


def _part(micros: int, priced: int, all_: int) -> float | None:
    """Unknown where there were some and none of them is priced."""
    return None if all_ and not priced else micros / 1e6
