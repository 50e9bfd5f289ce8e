"""Another thing in the same place: the trap that an embedding sees least of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cache_fabric.guard import english
from cache_fabric.guard.pair import Pair, Slot
from cache_fabric.guard.related import related
from cache_fabric.guard.verdict import Kind, Objection
from cache_fabric.guard.wording import Word

__all__ = ["SUBSTITUTIONS", "are_nouns", "unrelated"]

_LONGEST_NAME = 2
_MOST_COMPARED = 6


def unrelated(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether no word of the one may be another word for one of the other."""
    return not any(
        related(left, right) for left in ours[:_MOST_COMPARED] for right in theirs[:_MOST_COMPARED]
    )


def _names(pair: Pair) -> Iterator[Objection]:
    """Names on both sides that the other lacks; if they share another, in the same place."""
    left, right = pair.left, pair.right
    if left.titled or right.titled:
        return
    ours = _named(pair.only_left, left.names)
    theirs = _named(pair.only_right, right.names)
    if not ours or not theirs or not unrelated(ours, theirs):
        return
    share = not left.names.isdisjoint(right.places) or not right.names.isdisjoint(left.places)
    if not share or any(
        not set(ours).isdisjoint(slot[0]) and not set(theirs).isdisjoint(slot[1])
        for slot in pair.slots
    ):
        yield Objection(Kind.NAME, f"names differ: {pair.told(ours, theirs)}", True)


def _named(words: Sequence[str], names: set[str]) -> list[str]:
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
    if (digits or are_nouns(pair, slot)) and unrelated(ours, theirs):
        dated = ours[0] in english.DATES and theirs[0] in english.DATES
        kind = Kind.NUMBER if digits else Kind.DATE if dated else Kind.NAME
        reason = f"another thing in the same place: {pair.told(ours, theirs)}"
        yield Objection(kind, reason, True)


def _longest(pair: Pair, slot: Slot) -> int:
    """A name may have two words; other phrases are too often only worded otherwise."""
    return 1 if pair.names.isdisjoint(slot[0] + slot[1]) else _LONGEST_NAME


def are_nouns(pair: Pair, slot: Slot) -> bool:
    """Whether both sides of a slot begin with a noun."""
    ours, theirs = slot[0][0], slot[1][0]
    return any(word.nominal for word in pair.left.words if word.text == ours) and any(
        word.nominal for word in pair.right.words if word.text == theirs
    )


def _ends(pair: Pair) -> Iterator[Objection]:
    """From A to B: the other way round, or from or to somewhere else."""
    ours, theirs = _from_and_to(pair.left.words), _from_and_to(pair.right.words)
    if "from" not in ours or "from" not in theirs or _is_mutual(pair):
        return
    if _turned(ours, theirs) or _turned(theirs, ours):
        yield Objection(Kind.ORDER, "from and to change places", True)
        return
    for role in ours.keys() & theirs.keys():
        left, right = ours[role].split(), theirs[role].split()
        if left[0] in pair.only_left and right[0] in pair.only_right and unrelated(left, right):
            yield Objection(Kind.NAME, f"{role} differs: {pair.told(left, right)}", True)
            return


def _from_and_to(words: Sequence[Word]) -> Mapping[str, str]:
    """The first phrase after "from", and the one after the "to" that follows it."""
    ends: dict[str, str] = {}
    for at, word in enumerate(words):
        role = word.role
        if role == "from" or (role == "to" and "from" in ends):
            after = words[at + 1] if at + 1 < len(words) else None
            phrase = f"{word.text} {after.text}" if after and not after.opens else word.text
            ends.setdefault(role, phrase)
    return ends


def _turned(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    return "to" in ours and (ours["from"] == theirs.get("to") or ours["to"] == theirs["from"])


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
SUBSTITUTIONS = (_names, _thing, _ends, _exchange)
