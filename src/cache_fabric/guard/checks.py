"""The strict checks: whatever tells two questions apart if their words are taken at face value."""

from __future__ import annotations

from collections.abc import Iterator

from cache_fabric.guard import english
from cache_fabric.guard.pair import Pair
from cache_fabric.guard.verdict import Kind, Objection

__all__ = ["CHECKS"]

_MOST_COMPARED = 6
_LABELS = {
    Kind.ANTONYM: "opposites",
    Kind.NUMBER: "numbers",
    Kind.DATE: "dates",
    Kind.NAME: "names",
    Kind.WORDS: "words",
}


def _negation(pair: Pair) -> Iterator[Objection]:
    ours = pair.left.negated
    theirs = [pair.renamed.get(word, word) for word in pair.right.negated]
    if len(ours) != len(theirs) or (pair.same_words and sorted(ours) != sorted(theirs)):
        yield Objection(Kind.NEGATION, "negation differs")


def _words(pair: Pair) -> Iterator[Objection]:
    """One objection for each kind of word that only one side has."""
    names = pair.names
    opposed = _opposed(pair) if pair.only_left and pair.only_right else ()
    sides: dict[Kind, tuple[list[str], list[str]]] = {}
    for side, words in enumerate((pair.only_left, pair.only_right)):
        for word in words:
            kind = Kind.ANTONYM if word in opposed else _kind(word, names)
            sides.setdefault(kind, ([], []))[side].append(word)
    for kind, (ours, theirs) in sides.items():
        yield Objection(kind, f"{_LABELS[kind]} differ: {pair.told(ours, theirs)}")


def _kind(word: str, names: set[str]) -> Kind:
    if word[0].isdigit():
        return Kind.NUMBER
    if word in english.DATES:
        return Kind.DATE
    return Kind.NAME if word in names else Kind.WORDS


def _opposed(pair: Pair) -> set[str]:
    """Words of which the other side has the opposite."""
    opposed: set[str] = set()
    right = [word for word in pair.only_right if word in english.OPPOSED]
    for ours in pair.only_left if right else ():
        for theirs in right[:_MOST_COMPARED]:
            if ((ours, theirs) if ours < theirs else (theirs, ours)) in english.OPPOSITES:
                opposed |= {ours, theirs}
    for turned, others in (
        (pair.left.turned, pair.only_right),
        (pair.right.turned, pair.only_left),
    ):
        if turned:
            there = frozenset(others)
            opposed |= {word for both in turned if both[1] in there for word in both}
    return opposed


def _quotation(pair: Pair) -> Iterator[Objection]:
    ours, theirs = pair.left.quoted, pair.right.quoted
    if ours and theirs and sorted(ours) != sorted(theirs):
        yield Objection(Kind.QUOTED, "quoted text differs")


def _tense(pair: Pair) -> Iterator[Objection]:
    if pair.left.tense != pair.right.tense:
        yield Objection(Kind.DATE, "tense differs")


def _form(pair: Pair) -> Iterator[Objection]:
    """A request and a "what" question ask for the same; a yes-or-no question does not."""
    ours, theirs = pair.left.form, pair.right.form
    if ours != theirs and not {ours, theirs} <= {"", "what"}:
        reason = f"form of question differs: {pair.told([ours or 'other'], [theirs or 'other'])}"
        yield Objection(Kind.FORM, reason)


def _owner(pair: Pair) -> Iterator[Objection]:
    ours, theirs = pair.left.owners, pair.right.owners
    if ours and theirs and ours != theirs:
        reason = f"owner differs: {pair.told(sorted(ours), sorted(theirs))}"
        yield Objection(Kind.PERSON, reason)


def _persons(pair: Pair) -> Iterator[Objection]:
    ours, theirs = pair.left.persons, pair.right.persons
    if len(set(ours)) == len(set(theirs)) == 2 and ours[0] != theirs[0]:
        yield Objection(Kind.PERSON, "I and you change places")


def _quantity(pair: Pair) -> Iterator[Objection]:
    """Tell "all my meetings" from "my meeting": the quantifier and the noun's number change."""
    if pair.left.every != pair.right.every and pair.renamed:
        yield Objection(Kind.SCOPE, "quantity differs")


CHECKS = (_negation, _words, _quotation, _tense, _form, _owner, _persons, _quantity)
