"""What makes another answer near certain, however the rest of two questions is worded."""

from __future__ import annotations

from collections.abc import Iterator

from cache_fabric.guard import english
from cache_fabric.guard.marks import DEGREES, EXCLUSIVE
from cache_fabric.guard.pair import Pair
from cache_fabric.guard.quantities import unmatched
from cache_fabric.guard.verdict import Kind, Objection
from cache_fabric.guard.wording import Wording

__all__ = ["CONTRADICTIONS"]

_MOST_NUMBERS = 16
# The language of an answer that nobody asks for in an English question.
_DEFAULT_LANGUAGE = "english"


def _classes(pair: Pair) -> Iterator[Objection]:
    """Words that exclude one another: banned and allowed, March and May, adults and children."""
    ours, theirs = pair.left.marks, pair.right.marks
    differ = [number for number in ours if number in theirs and not ours[number] & theirs[number]]
    if not DEGREES.isdisjoint(differ):
        differ = _without_turned_degrees(pair, differ)
    for number in differ:
        known = EXCLUSIVE[number]
        left, right = known.of(ours[number]), known.of(theirs[number])
        reason = f"{known.kind.value}s exclude one another: {pair.told(left, right)}"
        yield Objection(known.kind, reason, True)


def _without_turned_degrees(pair: Pair, differ: list[int]) -> list[int]:
    """Less and its opposite turn twice: "less unhappy" is "more happy"."""
    turned = [number for number in differ if EXCLUSIVE[number].kind is Kind.ANTONYM]
    if not turned and not _other_quality(pair) and next(_turned(pair), None) is None:
        return differ
    return [number for number in differ if number not in DEGREES and number not in turned]


def _other_quality(pair: Pair) -> bool:
    """Whether more and less stand before different words: "more humble" may be "less proud"."""
    return any(
        len(ours) > 1 < len(theirs) and not english.DEGREES.isdisjoint(ours)
        for ours, theirs in pair.slots
    )


def _turned(pair: Pair) -> Iterator[tuple[str, str]]:
    """Words of one side that are words of the other with a negating prefix or ending."""
    for turned, there, here in (
        (pair.left.turned, pair.right.positions, pair.left.positions),
        (pair.right.turned, pair.left.positions, pair.right.positions),
    ):
        for word, stem in turned:
            if stem in there and stem not in here and word not in there and _turns(word, stem):
                yield stem, word


def _turns(word: str, stem: str) -> bool:
    """Whether the beginning is sure to be a prefix: "in" stands before too many other words."""
    prefix = word.removesuffix(stem)
    return len(stem) >= english.SHORTEST_TURNED.get(prefix, 1)


def _prefixes(pair: Pair) -> Iterator[Objection]:
    turned = next(_turned(pair), None)
    if turned is None or pair.left.denied or pair.right.denied:
        return
    ours, theirs = pair.left.vocabulary, pair.right.vocabulary
    if english.LESS.isdisjoint(ours) == english.LESS.isdisjoint(theirs):
        yield Objection(
            Kind.ANTONYM, f"opposites differ: {pair.told(turned[:1], turned[1:])}", True
        )


def _denial(pair: Pair) -> Iterator[Objection]:
    """What one side denies and the other, which denies nothing, speaks of."""
    ours, theirs = pair.left, pair.right
    if bool(ours.denied) == bool(theirs.denied):
        return
    if ours.asks != theirs.asks and "why" in (ours.asks, theirs.asks):
        return  # "Why don't we ..." proposes what "could we ..." asks
    if theirs.denied:
        spoken = any(word in ours.positions or word in pair.renamed for word in theirs.denied)
    else:
        names = pair.renamed.values()
        spoken = any(word in theirs.positions or word in names for word in ours.denied)
    only = (*pair.only_left, *pair.only_right)
    denies = len(ours.negated) != len(theirs.negated) or (
        len(only) == 1 and only[0] in english.DENIALS
    )
    if spoken and denies:
        yield Objection(Kind.NEGATION, "one side denies what the other says", True)


def _quantities(pair: Pair) -> Iterator[Objection]:
    """Numbers of one dimension that only one side has, on both sides."""
    ours, theirs = pair.left.quantities, pair.right.quantities
    if not ours or not theirs or max(len(ours), len(theirs)) > _MOST_NUMBERS:
        return
    left, right = unmatched(ours, theirs)
    for one in left:
        for other in right:
            if one.dimension == other.dimension:
                reason = f"quantities differ: {pair.told([one.text], [other.text])}"
                yield Objection(Kind.NUMBER, reason, True)
                return


def _quotation(pair: Pair) -> Iterator[Objection]:
    """Texts to work on that share not a word with the other question."""
    ours, theirs = pair.left, pair.right
    if not ours.quoted or not theirs.quoted or not set(ours.quoted).isdisjoint(theirs.quoted):
        return
    if _strange(ours.quoted, theirs) and _strange(theirs.quoted, ours):
        yield Objection(Kind.QUOTED, "quoted text differs", True)


def _strange(quoted: list[str], other: Wording) -> bool:
    return any(word not in other.vocabulary for text in quoted for word in text.split())


def _requests(pair: Pair) -> Iterator[Objection]:
    """A format, a language or a length that only one side asks for."""
    ours, theirs = pair.left.request, pair.right.request
    if ours == theirs:
        return
    for asked, other in ((ours - theirs, pair.right), (theirs - ours, pair.left)):
        for kind, what in sorted(asked):
            if what.split()[0] not in other.vocabulary and what != _DEFAULT_LANGUAGE:
                yield Objection(kind, f"{kind.value} of the answer differs: {what}", True)


def _language(pair: Pair) -> Iterator[Objection]:
    if pair.left.script != pair.right.script or pair.left.language != pair.right.language:
        yield Objection(Kind.LANGUAGE, "language differs", True)


def _owner(pair: Pair) -> Iterator[Objection]:
    """A request for another's thing; in a question "you" and "your" may be anybody's."""
    ours, theirs = pair.left, pair.right
    if not pair.same_words or ours.form or theirs.form or ours.asks or theirs.asks:
        return
    others = ours.owners and theirs.owners and ours.owners.isdisjoint(theirs.owners)
    if others and ours.subjects == theirs.subjects:
        yield Objection(Kind.PERSON, "owner differs", True)


CONTRADICTIONS = (
    _classes,
    _prefixes,
    _denial,
    _quantities,
    _quotation,
    _requests,
    _language,
    _owner,
)
