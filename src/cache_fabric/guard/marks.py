"""The marks that words of exclusive classes leave on a reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cache_fabric.guard import english
from cache_fabric.guard.classes import CLASSES
from cache_fabric.guard.places import COUNTRIES, STATES
from cache_fabric.guard.things import THINGS
from cache_fabric.guard.verdict import Kind

__all__ = ["DEGREES", "EXCLUSIVE", "ExclusiveClass", "marks", "same_pole"]


class ExclusiveClass(NamedTuple):
    """Words of which a question has one or another, with another answer.

    Attributes:
        kind: What an objection that they differ is about.
        poles: The first word of each pole.
        complementary: Whether the one is the negation of the other.
    """

    kind: Kind
    poles: tuple[str, ...]
    complementary: bool

    def of(self, bits: int) -> list[str]:
        """The poles that the bits stand for."""
        return [pole for bit, pole in enumerate(self.poles) if bits >> bit & 1]


# "Not to be allowed": a negation reaches this far.
_REACH = 3
_LONGEST_EXPRESSION = 3
_INFLECTED = (Kind.ANTONYM, Kind.SCOPE)


def _forms(word: str) -> Iterator[str]:
    """The word and what it may look like as a plural or in a tense; some are no words at all."""
    yield word
    if len(word) > _LONGEST_EXPRESSION and word.isalpha():
        stem = word.removesuffix("e")
        yield from (f"{word}s", f"{stem}ed", f"{stem}ing")
        if word[-1] not in "aeiouwy" and word[-2] in "aeiou" and word[-3] not in "aeiou":
            yield from (f"{word}{word[-1]}ed", f"{word}{word[-1]}ing")
        if word.endswith("y"):
            yield from (f"{word[:-1]}ies", f"{word[:-1]}ied")


def _lines(text: str) -> list[str]:
    return text.strip().replace("\n    ", " ").splitlines()


def _classes() -> Iterator[tuple[Kind, str]]:
    for kind, text in CLASSES.items():
        for line in _lines(text):
            yield kind, line
    for line in _lines(THINGS):
        yield Kind.NAME, line
    yield Kind.NAME, COUNTRIES
    yield Kind.NAME, STATES


def _index() -> tuple[list[ExclusiveClass], dict[str, tuple[tuple[int, int], ...]]]:
    exclusive: list[ExclusiveClass] = []
    index: dict[str, dict[int, int]] = {}
    for number, (kind, line) in enumerate(_classes()):
        poles = [
            [word.replace("_", " ") for word in pole.split()]
            for pole in line.removeprefix("! ").split("/")
        ]
        exclusive.append(ExclusiveClass(kind, tuple(p[0] for p in poles), line.startswith("! ")))
        for bit, pole in enumerate(poles):
            for word in pole:
                for form in _forms(word) if kind in _INFLECTED else (word,):
                    index.setdefault(form, {}).setdefault(number, 1 << bit)
    return exclusive, {word: tuple(of.items()) for word, of in index.items()}


EXCLUSIVE, _INDEX = _index()
# More and less turn with what they are said of.
DEGREES = frozenset(n for n, known in enumerate(EXCLUSIVE) if known.poles == ("more", "less"))
_FIRST_WORDS = frozenset(word.split()[0] for word in _INDEX if " " in word)
_LESS = ("less", "least")
_GRADED = frozenset(
    word
    for word, of in _INDEX.items()
    if any(EXCLUSIVE[number].kind is Kind.ANTONYM for number, _ in of)
)


def marks(terms: Sequence[str]) -> dict[int, int]:
    """For each class that the terms have a word of, the poles as bits."""
    found: dict[int, int] = {}
    negated = skipped_to = -_REACH - 1
    for at, term in enumerate(terms):
        if term in english.NEGATIONS:
            negated = at
        if term not in _INDEX and term not in _FIRST_WORDS:
            continue
        if at < skipped_to:
            continue
        entry, size = _entry(terms, at, term)
        if not entry:
            continue
        skipped_to = at + size
        before = terms[at - 1] if at else ""
        if term in _LESS and skipped_to < len(terms) and terms[skipped_to] in _GRADED:
            continue
        _mark(found, entry, negated=0 < at - negated <= _REACH, less=before in _LESS)
    return found


def _entry(terms: Sequence[str], at: int, term: str) -> tuple[tuple[tuple[int, int], ...], int]:
    """What the longest expression that begins here stands for, and its number of words."""
    if term in _FIRST_WORDS:
        for size in range(min(_LONGEST_EXPRESSION, len(terms) - at), 1, -1):
            entry = _INDEX.get(" ".join(terms[at : at + size]))
            if entry:
                return entry, size
    return _INDEX.get(term, ()), 1


def _mark(
    found: dict[int, int], entry: tuple[tuple[int, int], ...], *, negated: bool, less: bool
) -> None:
    for number, bit in entry:
        known = EXCLUSIVE[number]
        if negated and not known.complementary:
            continue  # what is not hot need not be cold
        turned = negated != (less and known.kind is Kind.ANTONYM)
        found[number] = found.get(number, 0) | (0b11 ^ bit if turned else bit)


def same_pole(left: str, right: str) -> bool:
    """Whether two words stand for the same in some class."""
    return not set(_INDEX.get(left, ())).isdisjoint(_INDEX.get(right, ()))
