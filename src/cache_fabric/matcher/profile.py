"""What the matcher reads in one text: words, stems and letters; the guard reads its meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

__all__ = ["Profile", "forget", "profile"]

_TERM = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[^\w\s.,?!;:'\"()-]")
_LONGEST_KEPT = 2_048
_LONGEST_READ = 8_192


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONTENTLESS = _words(
    "a an the is are am was were be been being do does did done has have had having i me my we "
    "our us you your it its this that these those of in on at for to and or with from by as so "
    "just please can could would will should may might shall must there here what which who "
    "whom whose how why when where if then than about into some any s t re m ve d ll get got"
)
_QUESTION_WORDS = _words("how why when where who what which")
_FIRST_PERSON = _words("i me my we our")
_SECOND_PERSON = _words("you your")
_BINDING = _words("from to by with between before after without under over than against")
_LOOSE = _words("into via for in on at of")
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", ""))


@dataclass(frozen=True, slots=True)
class Profile:
    """The reading of one text.

    Attributes:
        length: Number of terms.
        stems: Every term without its ending, those of grammar too.
        content: The stems that carry meaning, in order, each once.
        ties: For each of them the preposition before it, ``""`` for none or a loose one.
        pairs: Neighboring stems.
        letters: Runs of three letters.
        opening: The first term.
        asks: The first question word.
        persons: How often the first and the second person are named.
    """

    length: int
    stems: frozenset[str]
    content: tuple[str, ...]
    ties: dict[str, str]
    pairs: frozenset[tuple[str, str]]
    letters: frozenset[str]
    opening: str
    asks: str
    persons: tuple[int, int]


def profile(text: str) -> Profile:
    """Return the reading of a text; at most 8,192 characters of it are read.

    The last readings are kept, for a neighbor is read again and again; long texts are not.
    """
    return _kept(text) if len(text) <= _LONGEST_KEPT else _profile(text[:_LONGEST_READ])


def _profile(text: str) -> Profile:
    terms = [term.casefold().replace("\u2019", "'") for term in _TERM.findall(text)]
    stems = [_stem(term) for term in terms]
    ties: dict[str, str] = {}
    tie = ""
    for term, stem in zip(terms, stems, strict=True):
        if term in _BINDING:
            tie = term
        elif term in _LOOSE:
            tie = ""
        elif term not in _CONTENTLESS:
            ties.setdefault(stem, tie)
            tie = ""
    line = f" {' '.join(terms)} "
    return Profile(
        length=len(terms),
        stems=frozenset(stems),
        content=tuple(ties),
        ties=ties,
        pairs=frozenset(pairwise(stems)),
        letters=frozenset(line[at : at + 3] for at in range(len(line) - 2)),
        opening=terms[0] if terms else "",
        asks=next((term for term in terms if term in _QUESTION_WORDS), ""),
        persons=(
            sum(term in _FIRST_PERSON for term in terms),
            sum(term in _SECOND_PERSON for term in terms),
        ),
    )


_kept = lru_cache(maxsize=20_000)(_profile)


def forget() -> None:
    """Let go of the readings that are kept, and of their texts."""
    _kept.cache_clear()


def _stem(term: str) -> str:
    """The term without its English ending: crude, but the same for both texts."""
    if len(term) <= 3 or not term[0].isalpha():
        return term
    for ending, instead in _ENDINGS:
        if term.endswith(ending) and len(term) - len(ending) >= 3 and not term.endswith("ss"):
            term = term[: -len(ending)] + instead
            break
    return term[:-1] if len(term) > 3 and term[-1] == term[-2] else term
