"""Compare two questions: read both, run every check, count the evidence."""

from __future__ import annotations

from cache_fabric.guard.checks import CHECKS
from cache_fabric.guard.order import order
from cache_fabric.guard.pair import Pair
from cache_fabric.guard.verdict import Evidence, Kind, Objection, Verdict
from cache_fabric.guard.wording import read

__all__ = ["compare"]

_LONGEST = 8_192
# Slots are worth naming where the rest is the same.
_MOST_SUBSTITUTED = 2
_LEAST_SHARED = 0.5


def compare(question: str, candidate: str) -> Verdict:
    """Return what tells two questions apart, and how alike they are.

    Texts over 8,192 characters are not read: the vector of so many words says nothing of the one
    that differs.
    """
    if question == candidate:
        return Verdict()
    if max(len(question), len(candidate)) > _LONGEST:
        return Verdict((Objection(Kind.LENGTH, "too long to compare"),), (), Evidence(0.0, 0.0))
    pair = Pair(read(question), read(candidate))
    objections = [objection for check in (*CHECKS, order) for objection in check(pair)]
    evidence = _evidence(pair)
    return Verdict(tuple(objections), _substituted(pair, evidence), evidence)


def _substituted(pair: Pair, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    if not 0 < evidence.substituted <= _MOST_SUBSTITUTED or evidence.covered < _LEAST_SHARED:
        return ()
    return tuple(
        (" ".join(ours), " ".join(theirs)) for ours, theirs in pair.slots if ours and theirs
    )


def _evidence(pair: Pair) -> Evidence:
    ours, theirs = len(pair.left.words), len(pair.right.words)
    fewer, more = sorted((ours, theirs))
    only = (*pair.only_left, *pair.only_right)
    names = pair.left.names | pair.right.names
    shared = pair.shared
    return Evidence(
        shared=shared / fewer if fewer else float(not more),
        covered=shared / more if more else 1.0,
        ordered=min(1.0, len(pair.anchors) / shared) if shared else 1.0,
        substituted=sum(bool(left and right) for left, right in pair.slots),
        inserted=sum(len(left) + len(right) for left, right in pair.slots if not (left and right)),
        names=sum(word in names for word in only),
        numbers=sum(word[0].isdigit() for word in only),
        negations=abs(len(pair.left.negated) - len(pair.right.negated)),
    )
