"""What kind of answer a question wants: its type, and the format that it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cache_fabric.guard import english
from cache_fabric.guard.places import LANGUAGES
from cache_fabric.guard.verdict import Kind

__all__ = ["asks", "requested"]

_QUESTION_WORDS = {
    "why": "why",
    "when": "time",
    "where": "place",
    "who": "who",
    "whom": "who",
    "whose": "who",
    "what": "what",
    "which": "what",
    "how": "manner",
}
_AFTER_WHAT = {
    "time": "time",
    "date": "time",
    "reason": "why",
    "reasons": "why",
    "causes": "why",
    "caused": "why",
    "cause": "why",
    "steps": "manner",
    "process": "manner",
    "way": "manner",
    "ways": "manner",
    "procedure": "manner",
    "place": "place",
    "places": "place",
    "person": "who",
}
_AFTER_HOW = {
    "much": "amount",
    "many": "amount",
    "long": "duration",
    "often": "frequency",
    "far": "distance",
    "old": "age",
    "come": "why",
    "tall": "measure",
    "big": "measure",
}
_HEAD = 12
_REACH = 4


def asks(terms: Sequence[str]) -> str:
    """The type of a question, ``""`` if no question word shows it."""
    for at, term in enumerate(terms[:_HEAD]):
        found = _QUESTION_WORDS.get(term)
        if found is None:
            continue
        if found == "manner":
            return _AFTER_HOW.get(terms[at + 1], found) if at + 1 < len(terms) else found
        if found == "what":
            return next(
                (_AFTER_WHAT[word] for word in terms[at + 1 : at + _REACH] if word in _AFTER_WHAT),
                found,
            )
        return found if at < _REACH else ""
    return "yes or no" if terms and terms[0] in english.AUXILIARIES else ""


_FORMATS = english.words(
    "json yaml xml csv html markdown latex table list bullet bullets bulleted paragraph essay poem "
    "haiku song email letter tweet flowchart diagram chart code spreadsheet pdf story script"
)
_PARTS = english.words(
    "sentence sentences word words paragraph paragraphs line lines page pages character "
    "characters point points step steps example examples"
)
_LANGUAGES = english.words(LANGUAGES.replace("/", " "))
_INTO = ("in", "as", "into")
_FILLERS = ("a", "an", "the", "form", "format", "of", "simple", "short", "numbered", "plain")


def requested(terms: Sequence[str]) -> frozenset[tuple[Kind, str]]:
    """Format, language and length that an answer is asked for in: "as a table", "in French"."""
    return frozenset(_requested(terms))


def _requested(terms: Sequence[str]) -> Iterator[tuple[Kind, str]]:
    for at, term in enumerate(terms):
        if term not in _INTO:
            continue
        follow = [word for word in terms[at + 1 : at + 6] if word not in _FILLERS][:2]
        if not follow:
            continue
        first = follow[0]
        if first in _FORMATS:
            yield Kind.FORMAT, first.rstrip("s")
        elif term != "as" and first in _LANGUAGES and len(follow) == 1:
            yield Kind.LANGUAGE, first
        elif first.isdigit() and len(follow) == 2 and follow[1] in _PARTS:
            yield Kind.LENGTH, f"{first} {follow[1].rstrip('s')}"
