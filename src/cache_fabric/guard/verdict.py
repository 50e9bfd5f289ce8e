"""What the guard says of two questions: objections by kind, and the evidence in figures."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Evidence", "Kind", "Objection", "Verdict"]


class Kind(enum.StrEnum):
    """What an objection is about."""

    NEGATION = "negation"
    ANTONYM = "antonym"
    NUMBER = "number"
    DATE = "date"
    UNIT = "unit"
    NAME = "name"
    QUOTED = "quoted"
    PERSON = "person"
    SCOPE = "scope"
    ORDER = "order"
    COMPARISON = "comparison"
    FORM = "form"
    FORMAT = "format"
    LANGUAGE = "language"
    LENGTH = "length"
    WORDS = "words"


class Objection(NamedTuple):
    """One thing that tells two questions apart.

    Attributes:
        kind: What it is about.
        reason: In words; words of the prompts stand only after a colon.
        contradicts: Whether this alone makes another answer near certain, however alike or unlike
            the rest of the two texts is.
    """

    kind: Kind
    reason: str
    contradicts: bool = False


class Evidence(NamedTuple):
    """How alike two questions are, in figures for a matcher.

    Attributes:
        shared: Share of the content words of the side with fewer that the other side has, 0 to 1.
        covered: The same of the side with more.
        ordered: Share of the shared words that stand in the same order, 0 to 1.
        substituted: Number of slots, between words that both sides have, in which one side has
            another word or phrase than the other.
        unrelated: How many of `Verdict.substituted` hold no two words of one family or meaning.
        nouns: How many of them hold a noun on both sides, as articles, possessives or
            prepositions show.
        inserted: Number of content words that only one side has between the same neighbors.
        names: Number of names that only one side has.
        numbers: Number of numbers that only one side has.
        negations: Difference of the numbers of negations.
        one_sided: Number of classes of exclusive words (persons, plans, countries ...) that only
            one side has a word of: what it asks may be narrower.
        question_types: 1 if both types are known (why, how, when ...) and differ, else 0.
    """

    shared: float = 1.0
    covered: float = 1.0
    ordered: float = 1.0
    substituted: int = 0
    unrelated: int = 0
    nouns: int = 0
    inserted: int = 0
    names: int = 0
    numbers: int = 0
    negations: int = 0
    one_sided: int = 0
    question_types: int = 0


_IDENTICAL = Evidence()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every objection to one answer for two questions; none means that they ask the same.

    Attributes:
        objections: In the order of the checks.
        substituted: For two questions that share at least half of their words and differ in one
            slot or two, what the question and what the candidate has there.
        evidence: The figures.
    """

    objections: tuple[Objection, ...] = ()
    substituted: tuple[tuple[str, str], ...] = ()
    evidence: Evidence = _IDENTICAL

    @property
    def allowed(self) -> bool:
        """The strict reading: nothing at all speaks against it."""
        return not self.objections

    @property
    def contradicts(self) -> bool:
        """The loose reading: something makes another answer near certain."""
        return any(objection.contradicts for objection in self.objections)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every objection in words."""
        return tuple(objection.reason for objection in self.objections)

    def count(self, kind: Kind) -> int:
        """Number of objections of this kind."""
        return sum(objection.kind == kind for objection in self.objections)
