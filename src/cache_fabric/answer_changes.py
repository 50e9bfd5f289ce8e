"""Whether a version changed an answer. Pure, but for the similarity, which the caller brings.

An answer that counts as unchanged may be served in the place of the other one, so what cannot be
told counts as changed: prose has to mean the same by its vectors, and the guard, which reads
questions elsewhere, must find no other number, name or negation in it.
"""

from __future__ import annotations

from cache_fabric.guard import Kind, compare

__all__ = ["told_apart"]

_TELLING = frozenset(
    {Kind.NEGATION, Kind.ANTONYM, Kind.NUMBER, Kind.DATE, Kind.UNIT, Kind.NAME, Kind.QUOTED}
    | {Kind.COMPARISON, Kind.LANGUAGE, Kind.LENGTH}
)


def told_apart(old: str, new: str) -> str | None:
    """Return what tells two texts of like meaning apart, in words; ``None`` for nothing."""
    verdict = compare(new, old)
    for objection in verdict.objections:
        if objection.contradicts or objection.kind in _TELLING:
            return f"another {objection.kind.value}"
    return "another word in the same place" if verdict.evidence.unrelated else None
