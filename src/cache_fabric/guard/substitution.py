"""Another thing in the same place: the trap that an embedding sees least of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cache_fabric.guard import english
from cache_fabric.guard.pair import Pair, Slot
from cache_fabric.guard.related import related
from cache_fabric.guard.verdict import Kind, Objection
from cache_fabric.guard.wording import Word, Wording

__all__ = ["SUBSTITUTIONS", "are_nouns", "unrelated"]

_LONGEST_NAME = 2
_LONGEST_COMPLEMENT = 3
_LONGEST_ACRONYM = 5
_MOST_COMPARED = 6


def unrelated(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether no word of the one may be another word for one of the other."""
    return not any(
        related(left, right) for left in ours[:_MOST_COMPARED] for right in theirs[:_MOST_COMPARED]
    )


def _names(pair: Pair) -> Iterator[Objection]:
    """Names on both sides that the other lacks; if they share others, in the same position."""
    left, right = pair.left, pair.right
    if left.titled or right.titled:
        return
    ours = _named(pair.only_left, left)
    theirs = _named(pair.only_right, right)
    if not ours or not theirs or not unrelated(ours, theirs):
        return
    if _abbreviates(ours, right) or _abbreviates(theirs, left):
        return
    tied = _are_tied(ours, left) and _are_tied(theirs, right)
    if tied or left.names.isdisjoint(right.names) or _in_one_slot(pair, ours, theirs):
        yield Objection(Kind.NAME, f"names differ: {pair.told(ours, theirs)}", True)


def _are_tied(names: Sequence[str], wording: Wording) -> bool:
    """Whether an article or a preposition stands before one of the names."""
    wanted = frozenset(names)
    return any(word.nominal or word.role for word in wording.words if word.text in wanted)


def _in_one_slot(pair: Pair, ours: Sequence[str], theirs: Sequence[str]) -> bool:
    left, right = frozenset(ours), frozenset(theirs)
    return any(
        not left.isdisjoint(slot[0]) and not right.isdisjoint(slot[1]) for slot in pair.slots
    )


def _abbreviates(names: Sequence[str], other: Wording) -> bool:
    """Whether a name is made of the first letters of words of the other side."""
    initials = "".join([text[0] for text in other.positions])
    return any(
        2 <= len(name) <= _LONGEST_ACRONYM and name in initials for name in names[:_MOST_COMPARED]
    )


def _named(words: Sequence[str], wording: Wording) -> list[str]:
    names = wording.names
    return [word for word in words if word in names and word not in english.DATES]


def _thing(pair: Pair) -> Iterator[Objection]:
    """One noun, name or number for another in an otherwise equal question."""
    if len(pair.slots) != 1 or not pair.anchors:
        return
    slot = ours, theirs = pair.slots[0]
    if (len(pair.only_left), len(pair.only_right)) != (len(ours), len(theirs)):
        return
    if not ours or not theirs or max(len(ours), len(theirs)) > _longest(pair, slot):
        return
    digits = ours[0][0].isdigit() and theirs[0][0].isdigit()
    if digits and len(ours + theirs) > len(slot):
        return  # twelve months may be a year: the units decide
    if (digits or are_nouns(pair, slot)) and unrelated(ours, theirs):
        dated = ours[0] in english.DATES and theirs[0] in english.DATES
        kind = Kind.NUMBER if digits else Kind.DATE if dated else Kind.NAME
        reason = f"another thing in the same place: {pair.told(ours, theirs)}"
        yield Objection(kind, reason, True)


def _longest(pair: Pair, slot: Slot) -> int:
    """A name may have two words, and what follows a preposition three.

    Other phrases are too often only worded otherwise.
    """
    ours, theirs = _head(pair.left, slot[0]), _head(pair.right, slot[1])
    if ours.place == theirs.place and ours.role == theirs.role and (ours.place or ours.role):
        return _LONGEST_COMPLEMENT
    return 1 if pair.names.isdisjoint(slot[0] + slot[1]) else _LONGEST_NAME


def _head(wording: Wording, phrase: Sequence[str]) -> Word:
    return wording.words[wording.positions[phrase[0]]]


def are_nouns(pair: Pair, slot: Slot) -> bool:
    """Whether both sides of a slot begin with a noun."""
    return _head(pair.left, slot[0]).nominal and _head(pair.right, slot[1]).nominal


class _Ends(NamedTuple):
    """The phrase after "from", the first after a "to" that follows it, and those after any "to"."""

    origin: str
    destination: str
    reached: Sequence[str]


def _ends(words: Sequence[Word]) -> _Ends:
    origin = destination = ""
    reached = []
    for at, word in enumerate(words):
        if word.role not in ("from", "to"):
            continue
        after = words[at + 1] if at + 1 < len(words) else None
        phrase = f"{word.text} {after.text}" if after and not after.opens else word.text
        if word.role == "from":
            origin = origin or phrase
            continue
        reached.append(phrase)
        if origin:
            destination = destination or phrase
    return _Ends(origin, destination, reached)


def _journey(pair: Pair) -> Iterator[Objection]:
    """From A to B: the other way round, or from or to somewhere else."""
    ours, theirs = _ends(pair.left.words), _ends(pair.right.words)
    if not (ours.origin or theirs.origin) or _is_mutual(pair):
        return
    if ours.origin in theirs.reached or theirs.origin in ours.reached:
        yield Objection(Kind.ORDER, "from and to change places", True)
        return
    both = ((ours.origin, theirs.origin), (ours.destination, theirs.destination))
    for left, right in both if ours.origin and theirs.origin else ():
        if left and right and _are_other(pair, left.split(), right.split()):
            reason = f"ends differ: {pair.told(left.split(), right.split())}"
            yield Objection(Kind.NAME, reason, True)
            return


def _are_other(pair: Pair, left: Sequence[str], right: Sequence[str]) -> bool:
    known = left[0] not in pair.only_left or right[0] not in pair.only_right
    return not known and unrelated(left, right)


def _is_mutual(pair: Pair) -> bool:
    return not (
        english.MUTUAL.isdisjoint(pair.left.vocabulary)
        and english.MUTUAL.isdisjoint(pair.right.vocabulary)
    )


def _exchange(pair: Pair) -> Iterator[Objection]:
    """Two names, or the two sides of a comparison, that change places."""
    if not pair.same_words or _is_mutual(pair):
        return
    left, right = pair.sides()
    moved = [both for both in zip(left, right, strict=True) if both[0].text != both[1].text]
    if len(moved) != 2 or moved[0][0].text != moved[1][1].text:
        return
    roles = {word.role for both in moved for word in both}
    if any("by" in role for role in roles):
        return  # "A met B" and "B was met by A"
    listed = not _LISTED.isdisjoint(pair.left.vocabulary)
    named = all(ours.text in pair.left.names for ours, _ in moved) and not listed
    compared = not english.COMPARED.isdisjoint(pair.left.vocabulary)
    ours, theirs = (
        {word.text for word in side if word.role == "to"} for side in zip(*moved, strict=True)
    )
    if named or compared or (ours and theirs and ours != theirs):
        yield Objection(Kind.ORDER, "two things change places", True)


_LISTED = frozenset(("and", "or"))
SUBSTITUTIONS = (_names, _thing, _journey, _exchange)
