"""What a question says, reduced to what two questions must share to have one answer.

A `Wording` keeps the content words in order, each with the preposition that ties it to the
sentence, and beside them the few marks of grammar that turn an answer round: negation, past tense,
the form of the question, whose thing it is. Words of grammar and politeness are left out. The
word classes are English; any other language is all content, which only makes the reading stricter.
One pass over the text, linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from cache_fabric.guard import english

__all__ = ["Word", "Wording", "read"]


class Word(NamedTuple):
    """A content word in its place.

    Attributes:
        text: Lower-cased, without ``'s``, a synonym by its group's first word, a number in digits.
        place: The loose preposition before it (in, on, of ...); these stand in for one another.
        role: The binding one (from, to, by, with, and ...), which says who does what to whom.
        opens: Whether it begins a phrase; a phrase may stand elsewhere in the sentence.
    """

    text: str
    place: str = ""
    role: str = ""
    opens: bool = False


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
        every: Whether all of something is meant.
        texts: The text of every word.
        unique: Whether no word stands twice.
    """

    words: list[Word] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    quoted: list[str] = field(default_factory=list)
    negated: list[str] = field(default_factory=list)
    tense: str = ""
    form: str = ""
    owners: set[str] = field(default_factory=set)
    persons: list[str] = field(default_factory=list)
    every: bool = False
    texts: frozenset[str] = frozenset()
    unique: bool = True


def read(text: str) -> Wording:
    """Return the reading of a question, to be compared with another."""
    wording = Wording(quoted=[" ".join(q.casefold().split()) for q in _QUOTED.findall(text)])
    terms = list(_with_numbers(list(_terms(text, wording.names))))
    wording.form = _form(terms)
    _Sentence(wording, terms).read()
    wording.texts = frozenset(word.text for word in wording.words)
    wording.unique = len(wording.texts) == len(wording.words)
    return wording


_QUOTED = re.compile('["“”„«»`]([^"“”„«»`]+)["“”„«»`]')
# Marks of scripts that write vowels as combining marks belong to the word. Whatever else is neither
# word, number nor known punctuation stands for itself: an unknown sign still is a difference.
_TERM = re.compile(
    r"(?P<currency>[$€£₹¥]\s?)?(?P<number>\d+(?:[.,:/]\d+)*)(?:(?:st|nd|rd|th)(?!\w))?"
    r"|(?P<word>[^\W\d_](?:[^\W_]|['\u2019](?=[^\W_])|[\u0300-\u036f\u0591-\u05bd\u064b-\u065f"
    r"\u0900-\u0963\u0966-\u0dff\u0e31-\u0eff\u200c\u200d])*[+#]*)"
    r"|(?P<operator>(?:(?<![^\W\d_])-|[*/])(?=\s?\d))"
    r"|(?P<sign>[%$=<>+^]|[^\w\s\x00-\x7f¡§©«®·»¿\u037e\u0589\u05be\u060c\u061b\u061f\u06d4"
    r"\u0964\u0965\u2000-\u206f\u3000-\u303f\ufe00-\ufe0f\uff00-\uff0f\uff1a-\uff1f])"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LONGEST_VALUE = 15


def _terms(text: str, names: set[str]) -> Iterator[str]:
    end, sentence_start = 0, True
    for match in _TERM.finditer(text):
        gap = text[end : match.start()]
        sentence_start = sentence_start or any(mark in gap for mark in ".?!:" if gap != " ")
        raw = match[0]
        if match.lastgroup == "word":
            terms = _word(raw)
            if not sentence_start and raw[0].isupper():
                names.update(terms)
            yield from terms
        elif match.lastgroup == "number":
            yield from _number(match["number"])
            if match["currency"]:
                yield english.CURRENCIES[match["currency"].strip()]
        else:
            yield english.CURRENCIES.get(raw, raw)
        end, sentence_start = match.end(), False


def _number(digits: str) -> Iterator[str]:
    """``1,000``, ``05``, ``5.00`` by value, ``6:30`` in parts, ``3.10`` and ``3/4`` as written."""
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    for part in re.split("[:,]", digits):
        whole, dot, rest = part.partition(".")
        whole = whole.lstrip("0") or "0"
        yield whole + dot + rest if rest.strip("0") else whole


def _word(raw: str) -> tuple[str, ...]:
    if raw in english.ACRONYMS:
        return (english.ACRONYMS[raw],)
    word = raw.casefold().replace("\u2019", "'")
    if word.endswith("n't") or word in english.BARE_NEGATIONS:
        return ("did", "not") if word.startswith(("did", "was", "were", "had")) else ("not",)
    stem, apostrophe, ending = word.rpartition("'")
    if not apostrophe:
        return english.CARELESS.get(word, (word,))
    if ending in english.CONTRACTED:
        return (stem, english.CONTRACTED[ending])
    return (stem if ending in ("s", "re", "m", "ve") else word,)


def _with_numbers(terms: list[str]) -> Iterator[str]:
    """The terms with numbers in words as digits: ``twenty five`` is 25, ``2 million`` 2000000."""
    at = 0
    while at < len(terms):
        term, before = terms[at], terms[at - 1] if at else ""
        at += 1
        if term == "one" and before in english.BEFORE_PRONOUN_ONE:
            continue
        value = _value(term, at < len(terms) and terms[at] in english.SCALES)
        if value is None:
            yield str(english.ORDINALS.get(term, term))
            continue
        if term in english.DIGITS and value >= 20 and at < len(terms):
            unit = english.DIGITS.get(terms[at], 0)
            if 0 < unit < 10:
                value, at = value + unit, at + 1
        for scale in terms[at : at + 2]:
            if scale not in english.SCALES:
                break
            value, at = value * english.SCALES[scale], at + 1
        yield f"{value.normalize():f}"


def _value(term: str, scaled: bool) -> Decimal | None:
    if term in english.DIGITS:
        return Decimal(english.DIGITS[term])
    # Digits keep their own spelling (3.10 is not 3.1) unless a scale turns them into a value.
    plain = term.replace(".", "", 1).isdecimal() and len(term) <= _LONGEST_VALUE
    return Decimal(term) if scaled and plain else None


def _form(terms: list[str]) -> str:
    first, second, third = (*terms[:3], "", "", "")[:3]
    if first in english.AUXILIARIES and first != "be":
        polite = first in english.MODALS or third in ("have", "know", "think")
        request = second == "there" or (polite and second in ("you", "please"))
        return "" if request else english.MODALS.get(first, "yes or no")
    return "what" if any(term in ("what", "which") for term in terms[:4]) else ""


# Words that say something or nothing, as their neighbors have it.
_SOMETIMES_IDLE: dict[str, Callable[[str, str], bool]] = {
    "am": lambda before, after: "i" in (before, after),
    "going": lambda _, after: after == "to",
    "happens": lambda before, _: before == "what",
    "there": lambda before, after: not before or not {before, after}.isdisjoint(english.BE_DO_HAVE),
    **dict.fromkeys(english.SORTS, lambda _, after: after == "of"),
    **dict.fromkeys(english.DEMONSTRATIVES, lambda _, after: after not in english.PERIODS),
}


class _Sentence:
    """Goes through the terms of one text once and files each where it belongs."""

    def __init__(self, wording: Wording, terms: list[str]) -> None:
        self._to = wording
        self._terms = terms
        self._place = ""
        self._role = ""
        self._between = False
        self._negations = 0
        # At its head a request may be dressed up ("could you show me"); a question may not.
        self._at_head = wording.form in ("", "what")

    def read(self) -> None:
        for at, term in enumerate(self._terms):
            before = self._terms[at - 1] if at else ""
            after = self._terms[at + 1] if at + 1 < len(self._terms) else ""
            self._note(term, before, after)
            if term in english.NEGATIONS:
                self._negations += 1
            elif not (self._ties(term, before) or self._is_idle(term, before, after)):
                self._keep(term, before, after)
        # A preposition that ties nothing is the particle of a verb: "turn the lights on".
        if self._place or self._role:
            self._keep(self._role or self._place, "", "")
        self._to.negated += [""] * self._negations

    def _note(self, term: str, before: str, after: str) -> None:
        if term in english.PERSONS:
            self._to.persons.append(english.PERSONS[term])
        if term in english.OWNERS:
            self._to.owners.add(english.OWNERS[term])
        self._to.tense = self._to.tense or self._tense(term, before, after)
        self._to.every = self._to.every or term in english.QUANTIFIERS

    def _tense(self, term: str, before: str, after: str) -> str:
        if term == "will":
            return "future" if before else ""  # "will you please" asks for something now
        if term == "going" and after == "to":
            plans = before in english.BE_DO_HAVE or before in english.SUBJECTS
            return "future" if plans else ""  # "trains going to Rome" go there today
        return "past" if term in english.PAST else ""

    def _ties(self, term: str, before: str) -> bool:
        """Whether the word ties the next one to the sentence, and remembers how."""
        if term == "between":
            self._role, self._between = "from", True
        elif term == "and":
            self._and()
        elif term in english.ROLES:
            role = english.ROLES[term]
            self._role = f"{self._role} {role}" if self._role not in ("", "and", role) else role
        elif term in english.PLACES and before not in english.PARTICLE_VERBS:
            self._place = term
        else:
            return False
        return True

    def _and(self) -> None:
        words = self._to.words
        if self._between:
            self._role, self._between = "to", False
        elif words and not self._role:
            words[-1] = words[-1]._replace(role=words[-1].role or "and", opens=True)
            self._role = "and"

    def _is_idle(self, term: str, before: str, after: str) -> bool:
        """Whether the word greets, asks or fills, and says nothing of what is asked for."""
        if term in _SOMETIMES_IDLE:
            return _SOMETIMES_IDLE[term](before, after)
        if term in english.IDLE:
            self._at_head = self._at_head and term not in ("what", "which")
            return True
        return self._at_head and self._only_asks(term, before)

    def _only_asks(self, term: str, before: str) -> bool:
        if term in english.WISH:
            return before in ("i", "we", "would")
        return term in english.REQUEST and before not in ("i", "we", "they", "people")

    def _keep(self, term: str, before: str, after: str) -> None:
        words = self._to.words
        self._at_head = False
        if term in english.WAYS and after in ("to", "of", "for"):
            if words and words[-1].text in ("best", "good"):
                words.pop()
            term = "how"
        elif (before, term) == ("happens", "when"):
            term = "if"
        elif term == "states" and words and words[-1].text == "united":
            words.pop()
            term = "usa"
        text = english.SAME.get(term) or english.SAME.get(term.removesuffix("s"), term)
        tied = bool(self._place or self._role)
        words.append(Word(text, self._place, self._role, opens=tied or not words))
        self._to.negated += [text] * self._negations
        self._place, self._role, self._negations = "", "", 0
