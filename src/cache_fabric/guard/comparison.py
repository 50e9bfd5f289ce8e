"""Compare two questions: read both, run every check, count the evidence."""

from __future__ import annotations

from cache_fabric.guard.checks import CHECKS
from cache_fabric.guard.contradictions import CONTRADICTIONS
from cache_fabric.guard.order import order
from cache_fabric.guard.pair import Pair
from cache_fabric.guard.reading import read
from cache_fabric.guard.substitution import SUBSTITUTIONS, are_nouns, unrelated
from cache_fabric.guard.verdict import Evidence, Kind, Objection, Verdict

__all__ = ["compare"]

_LONGEST = 8_192
# Slots are worth naming where the rest is the same.
_MOST_SUBSTITUTED = 2
_LEAST_COVERED = 0.5
_STRICT = (*CHECKS, order)
_LOOSE = (*CONTRADICTIONS, *SUBSTITUTIONS)


def compare(question: str, candidate: str) -> Verdict:
    """Return what tells two questions apart, and how alike they are.

    Texts over 8,192 characters are not read: the vector of so many words says nothing of the one
    that differs.
    """
    if question == candidate:
        return Verdict()
    if max(len(question), len(candidate)) > _LONGEST:
        return Verdict((Objection(Kind.LENGTH, "too long to compare"),), (), Evidence(0.0, 0.0))
    turned = candidate < question
    first, second = sorted((question, candidate))
    pair = Pair(read(first), read(second), turned=turned)
    objections = [objection for check in _STRICT for objection in check(pair)]
    for check in _LOOSE:
        for objection in check(pair):
            _add(objections, objection)
    evidence, substituted = _evidence(pair)
    return Verdict(tuple(objections), substituted, evidence)


def _add(objections: list[Objection], found: Objection) -> None:
    """Add a contradiction; what a strict check has said of its kind already is only raised."""
    for at, objection in enumerate(objections):
        if objection.kind is found.kind:
            objections[at] = objection._replace(contradicts=True)
            return
    objections.append(found)


def _evidence(pair: Pair) -> tuple[Evidence, tuple[tuple[str, str], ...]]:
    """The figures, and the slots that are worth naming."""
    left, right = pair.left, pair.right
    fewer, more = sorted((len(left.words), len(right.words)))
    shared = pair.shared
    covered = shared / more if more else 1.0
    slots = [slot for slot in pair.slots if slot[0] and slot[1]]
    worth_naming = not pair.same_words and covered >= _LEAST_COVERED
    few = slots if worth_naming and len(slots) <= _MOST_SUBSTITUTED else []
    only = pair.only_left + pair.only_right
    evidence = Evidence(
        shared=shared / fewer if fewer else float(not more),
        covered=covered,
        ordered=min(1.0, len(pair.anchors) / shared) if shared else 1.0,
        substituted=len(slots),
        unrelated=sum([unrelated(*slot) for slot in few]),
        nouns=sum([are_nouns(pair, slot) for slot in few]),
        inserted=sum([len(slot[0] or slot[1]) for slot in pair.slots if not (slot[0] and slot[1])]),
        names=sum([word in pair.names for word in only]) if pair.names else 0,
        numbers=sum([word[0].isdigit() for word in only]),
        negations=abs(len(left.negated) - len(right.negated)),
        one_sided=len(left.marks.keys() ^ right.marks.keys()),
        question_types=int(bool(left.asks and right.asks) and left.asks != right.asks),
    )
    return evidence, tuple(
        [pair.as_asked(" ".join(ours), " ".join(theirs)) for ours, theirs in few]
    )
