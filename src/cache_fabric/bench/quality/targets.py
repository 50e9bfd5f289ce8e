"""What the product promises of quality, and how far a measured row is from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["shortfalls"]

_HITS: dict[str, dict[float, float]] = {
    "cls_clinc150_once": {0.01: 0.50, 0.02: 0.60},
    "assistant_once": {0.01: 0.20, 0.02: 0.26},
    "dbqa_once": {0.01: 0.08, 0.02: 0.13},
    "qqp_once": {0.01: 0.18, 0.02: 0.25},
    "mod_tweets_once": {0.01: 0.16, 0.02: 0.27},
    "qqp_zipf": {0.01: 0.58, 0.02: 0.61},
    "dbqa_zipf": {0.01: 0.75, 0.02: 0.77},
    "assistant_zipf": {0.01: 0.76, 0.02: 0.79},
}
_EXACT_RECALL = 0.99
_WRONG_SHARE = {0.01: 0.05}
_RUNNING = 1.25  # times the budget, after 1,000 requests
_NOISY_ERROR = 1.5  # times the budget, with flipped verdicts
_NOISY_HITS = 0.6  # of those of the clean run
_OVER_VCACHE = 2.0
_THREE_LABELS = "mod_tweets_once"  # there vCache's entries see enough, and only "no fewer" is asked


def shortfalls(
    stream: str,
    delta: float,
    figures: Mapping[str, Any],
    *,
    flip: float = 0.0,
    clean_hits: float | None = None,
    vcache_hits: float | None = None,
) -> list[str]:
    """Return what is short of the promise, in percent points; empty if all is kept.

    Args:
        stream: Name of the stream.
        delta: The budget.
        figures: ``hit_rate``, ``error_rate``, ``max_running_error_after_1000``,
            ``wrong_hit_share`` and ``exact_recall`` as ``score.py`` names them; the worst of
            several runs.
        flip: Share of wrong verdicts that the run learned from.
        clean_hits: Hit rate of the same without, where it was run.
        vcache_hits: Hit rate of vCache's rule at this budget, where it was run.
    """
    hits = figures["hit_rate"]
    if flip:
        found = [_above("error", figures["error_rate"], _NOISY_ERROR * delta)]
        if clean_hits is not None:
            found.append(_below("hits", hits, _NOISY_HITS * clean_hits))
        return [each for each in found if each]
    found = [
        _above("error", figures["error_rate"], delta),
        _above("worst", figures["max_running_error_after_1000"], _RUNNING * delta),
        _above("wrong share", figures["wrong_hit_share"], _WRONG_SHARE.get(delta, 1.0)),
        _below("hits", hits, _HITS.get(stream, {}).get(delta, 0.0)),
    ]
    if figures.get("exact_recall") is not None:
        found.append(_below("exact", figures["exact_recall"], _EXACT_RECALL))
    if vcache_hits is not None:
        times = 1.0 if stream == _THREE_LABELS else _OVER_VCACHE
        found.append(_below(f"{times:g} x vCache", hits, times * vcache_hits))
    return [each for each in found if each]


def _above(name: str, value: float, most: float) -> str:
    return f"{name} over by {100 * (value - most):.2f}" if value > most + 1e-9 else ""


def _below(name: str, value: float, least: float) -> str:
    return f"{name} short by {100 * (least - value):.1f}" if value < least - 1e-9 else ""
