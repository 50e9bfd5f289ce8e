"""Read a question: its terms, its sentence, and the marks that tell it from another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from cache_fabric.guard import english
from cache_fabric.guard.form import asks, requested
from cache_fabric.guard.languages import language, script
from cache_fabric.guard.marks import marks
from cache_fabric.guard.quantities import quantities
from cache_fabric.guard.sentence import Sentence
from cache_fabric.guard.terms import terms
from cache_fabric.guard.wording import Wording

__all__ = ["forget", "read"]

_LONGEST_KEPT = 2_048
_MOST_KEPT = 4_096
_TITLED = 0.6
_QUOTED = re.compile('["“”„«»`]([^"“”„«»`]+)["“”„«»`]')


def read(text: str) -> Wording:
    """Return the reading of a question, to be compared with another.

    The last 4,096 readings are kept in the process, as a candidate is compared again and again;
    those of texts over 2,048 characters are not.
    """
    return _kept(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> Wording:
    found, names = terms(text)
    wording = Wording(
        names=names,
        quoted=[" ".join(quoted.casefold().split()) for quoted in _QUOTED.findall(text)],
        form=_form(found),
        titled=len(names) > _TITLED * len(found),
        marks=marks(found),
        quantities=quantities(found),
        vocabulary=frozenset(found),
        asks=asks(found),
        request=requested(found),
        script=script(text),
        language=language(found),
    )
    Sentence(wording, found).read()
    for at, word in enumerate(wording.words):
        wording.positions.setdefault(word.text, at)
    wording.turned = tuple(_turned(wording.positions))
    wording.unique = len(wording.positions) == len(wording.words)
    return wording


_kept = lru_cache(maxsize=_MOST_KEPT)(_read)


def forget() -> None:
    """Let go of the readings that are kept, and of their texts."""
    _kept.cache_clear()


def _form(found: Sequence[str]) -> str:
    first, second, third = (*found[:3], "", "", "")[:3]
    if first in english.AUXILIARIES and first != "be":
        polite = first in english.MODALS or third in ("have", "know", "think")
        request = second == "there" or (polite and second in ("you", "please"))
        return "" if request else english.MODALS.get(first, "yes or no")
    return "what" if any(term in ("what", "which") for term in found[:4]) else ""


def _turned(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if word.startswith(english.NEGATING_PREFIXES):
            for prefix in english.NEGATING_PREFIXES:
                if word.startswith(prefix) and len(word) > len(prefix):
                    yield word, word[len(prefix) :]
        if word.endswith("less"):
            yield word, f"{word[:-4]}ful"
