"""What a question says, reduced to what two questions must share to have one answer.

A `Wording` keeps the content words in order, each with the preposition that ties it to the
sentence, and beside them the marks that turn an answer round: negation, past tense, the form of the
question, whose thing it is, numbers with their units, words that exclude others. Words of grammar
and politeness are left out. The word classes are English; any other language is all content, which
only makes the reading stricter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cache_fabric.guard.quantities import Quantity
from cache_fabric.guard.verdict import Kind

__all__ = ["Word", "Wording"]


class Word(NamedTuple):
    """A content word in its place.

    Attributes:
        text: Lower-cased, without ``'s``, a synonym by its group's first word, a number in digits.
        place: The loose preposition before it (in, on, of ...); these stand in for one another.
        role: The binding one (from, to, by, with, and ...), which says who does what to whom.
        opens: Whether it begins a phrase; a phrase may stand elsewhere in the sentence.
        nominal: Whether an article, a possessive or a preposition before it says that a noun
            follows.
    """

    text: str
    place: str = ""
    role: str = ""
    opens: bool = False
    nominal: bool = False


@dataclass(slots=True)
class Wording:
    """The reading of one text, filled by `read` and not changed afterwards.

    Attributes:
        words: Content words in order.
        names: Those of them that are capitalised inside a sentence.
        quoted: What stands in quotation marks, word for word.
        negated: For each negation the content word that it stands before, or ``""``.
        tense: ``"past"`` or ``"future"`` if an auxiliary says so, else ``""``.
        form: ``"what"``, ``"can"``, ``"should"``, ``"yes or no"``, or ``""`` for anything else.
        owners: Whose thing is spoken of: ``my``, ``your``, ``their``.
        persons: ``i`` and ``you`` in the order in which they are spoken of.
        subjects: Who acts: ``i``, ``you``, ``they`` ...
        every: Whether all of something is meant.
        denied: Content words after a negation or a verb that denies: "stop smoking".
        positions: The text of every word, and where it stands first.
        unique: Whether no word stands twice.
        turned: Words with a negating prefix or ending, each with what it turns round.
        titled: Whether Most Words Are Capitalised, so that a capital makes no name.
        marks: What the words of exclusive classes leave, see `marks`.
        quantities: The numbers, with their units.
        vocabulary: Every term, those of grammar too.
        asks: The type of the question: ``why``, ``manner``, ``time``, ``place``, ``who`` ...
        request: Format, language and length that the answer is asked for in.
        script: Of most letters, ``""`` for Latin.
        language: Of the words of grammar, if it is clearly another than English.
    """

    words: list[Word] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    quoted: list[str] = field(default_factory=list)
    negated: list[str] = field(default_factory=list)
    tense: str = ""
    form: str = ""
    owners: set[str] = field(default_factory=set)
    persons: list[str] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)
    every: bool = False
    denied: set[str] = field(default_factory=set)
    positions: dict[str, int] = field(default_factory=dict)
    unique: bool = True
    turned: tuple[tuple[str, str], ...] = ()
    titled: bool = False
    marks: Mapping[int, int] = field(default_factory=dict)
    quantities: tuple[Quantity, ...] = ()
    vocabulary: frozenset[str] = frozenset()
    asks: str = ""
    request: frozenset[tuple[Kind, str]] = frozenset()
    script: str = ""
    language: str = ""
