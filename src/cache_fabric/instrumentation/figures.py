"""Numbers that were measured: the figures that follow from sums over events.

Every figure names the event fields it is computed from. Unknown is ``None``, never 0.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cache_fabric.instrumentation.latencies import quantiles
from cache_fabric.instrumentation.money import money, savings
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.policy.audit import Estimate
from cache_fabric.policy.intervals import share_interval

__all__ = ["figures"]

_FEW = 200
"""Lookups below which a rate is shown with its interval."""


def figures(totals: Totals) -> dict[str, Any]:
    """Return the figures that people ask for; for money see `money.money` and `money.savings`.

    ``hit_rate`` is percent of hits and misses (`LookupEvent`); bypassed, coalesced and stale
    requests are in neither term, nor are misses whose call failed (`StoreEvent` ``released`` and
    ``stale``). ``hit_rate_interval`` is its 95 % interval (Wilson), below 200 of them.
    ``avg_latency`` and the others are mean milliseconds of served requests: ``seconds`` of hits,
    ``lookup_seconds`` and ``seconds`` of `StoreEvent`; ``latency`` has their quantiles, of hits by
    tier and of misses. ``speedup`` is what the served requests would have taken without the cache
    (the recorded latency of the original call for hits, the measured one for misses) over what they
    took. ``wrong_semantic_hits`` is from `LabelEvent` with a ``weight``. The other counts are those
    that `Totals` names.
    """
    return {**_rates(totals), **money(totals), "savings": savings(totals.shares), **_counts(totals)}


def _rates(totals: Totals) -> dict[str, Any]:
    outcomes, tiers = totals.outcomes, totals.tiers
    hits, answered = outcomes["hit"], _answered(totals)
    served_hits = hits + outcomes["coalesced"] + outcomes["stale"]
    seconds = {kind: nanos / 1e9 for kind, nanos in totals.nanos.items()}
    of_hits, calls = sum(seconds.get(tier, 0.0) for tier in tiers), seconds.get("miss", 0.0)
    without = totals.original_seconds + seconds.get("upstream", 0.0)
    return {
        "hit_rate": _ratio(100.0 * hits, hits + answered),
        "hit_rate_interval": _interval(hits, hits + answered),
        "avg_latency": _ratio(1e3 * (of_hits + calls), served_hits + totals.calls),
        "avg_hit_latency": _ratio(1e3 * of_hits, served_hits),
        "avg_miss_latency": _ratio(1e3 * calls, totals.calls),
        "latency": quantiles(totals.latencies),
        "speedup": _ratio(without, totals.replayed_seconds + calls),
        "wrong_semantic_hits": _wrong(totals),
    }


def _counts(totals: Totals) -> dict[str, Any]:
    outcomes, answers = totals.outcomes, totals.answers
    return {
        "requests": outcomes.total(),
        "requests_by_outcome": {
            "hit": outcomes["hit"],
            "miss": _answered(totals),
            "error": answers["released"] + answers["stale"],
            **{name: outcomes[name] for name in ("bypass", "coalesced", "stale")},
        },
        "hits": outcomes["hit"],
        "misses": outcomes["miss"],
        "coalesced": outcomes["coalesced"],
        "stale": outcomes["stale"],
        "stale_if_error": answers["stale"],
        "bypassed": outcomes["bypass"],
        "refused_near_misses": totals.refused,
        "labels": totals.labels,
        "drifts": totals.drifts,
        "explored": totals.explored,
        "shadow": _shadow(totals.shadow),
        "verifier": dict(totals.verifier),
        "executions": dict(totals.executions),
        "feedback": dict(totals.feedback),
        "label_guards": dict(totals.label_guards),
        "values": dict(totals.values),
        "verdicts": dict(totals.verdicts),
        "hits_by_tier": dict(totals.tiers),
        "degraded": dict(totals.degraded),
        "answers": dict(answers),
        "evicted": answers["evicted"],
        "evicted_bytes": totals.evicted_bytes,
    }


def _answered(totals: Totals) -> int:
    """Misses whose call did not fail; a call may end in a later window than its lookup."""
    failed = totals.answers["released"] + totals.answers["stale"]
    return max(0, totals.outcomes["miss"] - failed)


def _interval(hits: int, lookups: int) -> tuple[float, float] | None:
    if not 0 < lookups < _FEW:
        return None
    low, high = share_interval(hits, lookups)
    return 100.0 * low, 100.0 * high


def _wrong(totals: Totals) -> dict[str, Any]:
    """The share of answers served by meaning that were wrong, from those that were asked anew."""
    estimate = Estimate.of(
        totals.sampled,
        totals.sampled_weight,
        totals.sampled_squares,
        totals.sampled_wrong,
    )
    shown = None if estimate.share is None else 100.0 * estimate.share
    return {
        "percent": shown,
        "low": 100.0 * estimate.low,
        "high": 100.0 * estimate.high,
        "sampled": estimate.asked,
    }


def _shadow(counts: Counter[str]) -> dict[str, Any] | None:
    """What the shadow policy would have done; ``None`` if there is none. Shares are percent.

    ``hit_rate`` is of the lookups that were judged by meaning, ``right`` of the would-be hits whose
    fresh answer is known.
    """
    if not counts.total():
        return None
    judged, labelled = counts["hit"] + counts["miss"], counts["right"] + counts["wrong"]
    return {
        "judged": judged,
        "hits": counts["hit"],
        "hit_rate": _ratio(100.0 * counts["hit"], judged),
        "agreement": _ratio(100.0 * counts["agreed"], judged),
        "labelled": labelled,
        "right": _ratio(100.0 * counts["right"], labelled),
        "faults": counts["fault"],
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
