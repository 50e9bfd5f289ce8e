"""How an answer came to a run: what an execution keeps of it, and what feedback finds again. Pure.

Hosts put one such mapping as ``cache`` into the state of a run, or into each of its ``steps``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cache_fabric.types import Bypass, Hit, LookupResult, Miss

__all__ = ["Served", "provenance", "served_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer that a run was given: from the cache, or by a model and then kept.

    Attributes:
        outcome: ``hit`` or ``miss``.
        entry_id: Of the entry that was served, or that the model's answer became if it was kept.
        tier, similarity, probability, stale: Of a hit.
        exact: Exact key of the request; that of the entry, but for a hit of the semantic tier.
        family: Of the request, see `KeySet`.
        question: What was asked, where a hit of the semantic tier had another question.
        saved_cost: Dollars, ``None`` if not priced.
        saved_tokens: ``None`` if not known.
        lookup_id: For ``explain`` in the process that made the lookup.
    """

    outcome: str
    entry_id: str
    tier: str | None = None
    similarity: float | None = None
    probability: float | None = None
    stale: bool = False
    exact: str | None = None
    family: str | None = None
    question: str | None = None
    saved_cost: float | None = None
    saved_tokens: int | None = None
    lookup_id: str | None = None


def provenance(result: LookupResult) -> dict[str, Any]:
    """Return what an execution keeps of a lookup, as plain data."""
    if isinstance(result, Bypass):
        return {"outcome": "bypass", "reason": result.reason}
    if isinstance(result, Miss):
        keys = result.ticket.keys
        return {
            "outcome": "miss",
            "reason": result.reason,
            "entry_id": result.ticket.entry_id,
            "exact": keys.exact,
            "family": keys.family,
            "lookup_id": result.lookup_id,
        }
    return _of_hit(result)


def _of_hit(hit: Hit) -> dict[str, Any]:
    entry, asked = hit.entry, hit.asked
    is_other = hit.tier == "semantic" and asked is not None
    return {
        "outcome": "hit",
        "tier": hit.tier,
        "similarity": hit.similarity,
        "probability": hit.probability,
        "stale": hit.stale,
        "entry_id": entry.id,
        "exact": None if asked is None else asked.exact,
        "family": None if asked is None else asked.family,
        "question": asked.question if asked is not None and is_other else None,
        "saved_cost": None if hit.saved_micros is None else hit.saved_micros / 1e6,
        "saved_tokens": hit.saved_tokens,
        "lookup_id": hit.lookup_id,
    }


def served_in(state: Mapping[str, Any]) -> Iterator[Served]:
    """Yield the answers that the state of a run tells of, and pass over what it says badly."""
    steps = state.get("steps")
    places = [state, *(steps if isinstance(steps, list | tuple) else ())]
    for place in places:
        said = place.get("cache") if isinstance(place, Mapping) else None
        for one in said if isinstance(said, list | tuple) else (said,):
            if isinstance(one, Mapping) and one.get("entry_id") and _is_answer(one):
                yield _read(one)


def _is_answer(said: Mapping[str, Any]) -> bool:
    return said.get("outcome") in ("hit", "miss") and isinstance(said["entry_id"], str)


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("tier", "exact", "family", "question", "lookup_id"), str),
    **dict.fromkeys(("similarity", "probability", "saved_cost"), (int, float)),
    "saved_tokens": int,
    "stale": bool,
}


def _read(said: Mapping[str, Any]) -> Served:
    known = {
        name: said[name]
        for name, kind in _TYPES.items()
        if isinstance(said.get(name), kind)
        and (kind is bool or not isinstance(said.get(name), bool))
    }
    return Served(outcome=said["outcome"], entry_id=said["entry_id"], **known)
