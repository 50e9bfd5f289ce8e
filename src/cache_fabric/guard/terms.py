"""A text as terms: words, numbers and signs, in one spelling. One pass, linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from cache_fabric.guard import english

__all__ = ["terms"]

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
_SENTENCE_ENDS = frozenset(".?!:")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LONGEST_VALUE = 15


def terms(text: str) -> tuple[list[str], set[str]]:
    """The words, numbers and signs of a text, and those of them that a capital makes a name.

    Lower-cased, without ``'s``, contractions apart, numbers in digits.
    """
    found: list[str] = []
    names: set[str] = set()
    end, sentence_start, counts = 0, True, False
    for match in _TERM.finditer(text):
        gap = text[end : match.start()]
        if not sentence_start and gap not in ("", " "):
            sentence_start = not _SENTENCE_ENDS.isdisjoint(gap)
        raw = match[0]
        kind = match.lastgroup
        if kind == "word":
            words = _word(raw)
            if not sentence_start and raw[0].isupper():
                names.update(words)
            found += words
        elif kind == "number":
            counts = True
            found += _number(match["number"])
            if match["currency"]:
                found.append(english.CURRENCIES[match["currency"].strip()])
        else:
            found.append(english.CURRENCIES.get(raw, raw))
        end, sentence_start = match.end(), False
    if counts or not _IN_NUMBERS.isdisjoint(found):
        found = list(_with_numbers(found))
    return found, names


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
    if word.isalpha() and word not in english.BARE_NEGATIONS:
        return english.CARELESS.get(word) or (word,)
    if word.endswith("n't") or word in english.BARE_NEGATIONS:
        return ("did", "not") if word.startswith(("did", "was", "were", "had")) else ("not",)
    stem, apostrophe, ending = word.rpartition("'")
    if not apostrophe:
        return english.CARELESS.get(word, (word,))
    if ending in english.CONTRACTED:
        return (stem, english.CONTRACTED[ending])
    return (stem if ending in ("s", "re", "m", "ve") else word,)


def _with_numbers(found: list[str]) -> Iterator[str]:
    """The terms with numbers in words as digits: ``twenty five`` is 25, ``2 million`` 2000000."""
    at = 0
    while at < len(found):
        term, before = found[at], found[at - 1] if at else ""
        at += 1
        if term not in _IN_NUMBERS and not term[0].isdigit():
            yield term
            continue
        if term == "one" and before in english.BEFORE_PRONOUN_ONE:
            continue
        value = _value(term, at < len(found) and found[at] in english.SCALES)
        if value is None:
            yield str(english.ORDINALS.get(term, term))
            continue
        if term in english.DIGITS and value >= 20 and at < len(found):
            unit = english.DIGITS.get(found[at], 0)
            if 0 < unit < 10:
                value, at = value + unit, at + 1
        for scale in found[at : at + 2]:
            if scale not in english.SCALES:
                break
            value, at = value * english.SCALES[scale], at + 1
        yield f"{value.normalize():f}"


_IN_NUMBERS = frozenset((*english.DIGITS, *english.ORDINALS))


def _value(term: str, scaled: bool) -> Decimal | None:
    if term in english.DIGITS:
        return Decimal(english.DIGITS[term])
    # Digits keep their own spelling (3.10 is not 3.1) unless a scale turns them into a value.
    plain = term.replace(".", "", 1).isdecimal() and len(term) <= _LONGEST_VALUE
    return Decimal(term) if scaled and plain else None
