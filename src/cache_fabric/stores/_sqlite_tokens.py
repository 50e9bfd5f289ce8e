"""What a document is found by, as tokens of one full-text index. Pure.

Not only words: a term, a number, a blob that is named, and that there is a document at all, each is
a token. FTS5 keeps for a token the ascending numbers of its documents, at one or two bytes each,
and walks the lists of several tokens in step and by leaps, so the rarest of the criteria drives a
search whichever it is, and criteria that are common each but rarely meet cost no look at documents.

Every token starts with the number of its kind and namespace, so that no other's documents are in
its list, and a letter for what it is. The rest is letters and digits, or beyond ASCII, which is
what the index takes for one token. What a document's tokens are is asked again when it is deleted:
files that hold documents forbid to change them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from hashlib import blake2b

from cache_fabric.stores._sqlite_bodies import Body, Marks, found_by

__all__ = [
    "all_of",
    "any_blob",
    "any_of",
    "blob_token",
    "everything",
    "number_tokens",
    "term_token",
    "tokens_of",
    "within",
    "word_token",
]

_DIGITS = 5
"""Hexadecimal digits of a number that have a token: its sign, its size and 8 bits of the rest."""
_REST = 64 - 4 * _DIGITS
_LONGEST_WORD = 64
"""Characters; FTS5 cuts what is longer than 32 KiB, and would take two such words for one."""


def tokens_of(scope: int, body: Body, marks: Marks) -> str:
    """Return all tokens of a document, in the form that the index takes."""
    tokens = [everything(scope)]
    tokens += [term_token(scope, *term) for term in body.marks.terms | marks.terms]
    for name, value in (body.marks.numbers | marks.numbers).items():
        tokens += number_tokens(scope, name, value)
    tokens += [word_token(scope, word) for word in found_by(body.text)]
    if body.blobs:
        tokens.append(any_blob(scope))
        tokens += [blob_token(scope, key) for key in body.blobs]
    return " ".join(tokens)


def everything(scope: int) -> str:
    """Return the token that every document has."""
    return f"{scope}e"


def any_blob(scope: int) -> str:
    """Return the token of the documents that name a blob."""
    return f"{scope}a"


def blob_token(scope: int, key: bytes) -> str:
    """Return the token of the documents that name this blob."""
    return f"{scope}b{_digest(key)}"


def term_token(scope: int, field: bytes, value: bytes) -> str:
    """Return the token of a term."""
    return f"{scope}t{_digest(struct.pack('>Q', len(field)) + field + value)}"


def word_token(scope: int, word: str) -> str:
    """Return the token of a word of `documents.words`."""
    if len(word) > _LONGEST_WORD:
        return f"{scope}l{_digest(word.encode())}"
    return f"{scope}w{word}"


def number_tokens(scope: int, name: bytes, value: float) -> Iterator[str]:
    """Yield the tokens of a number: its first digits in an order of its own, ever more of them."""
    if not math.isnan(value):
        start, digits = _number(scope, name), f"{_ordered(value):016x}"
        for length in range(1, _DIGITS + 1):
            yield start + digits[:length]


def within(
    scope: int, name: bytes, least: float | None, most: float | None
) -> tuple[list[str], list[str]]:
    """Return tokens of numbers that are within bounds, and of such that may or may not be."""
    low = _ordered(-math.inf if least is None else least)
    high = _ordered(math.inf if most is None else most)
    if low > high or math.isnan(least or 0) or math.isnan(most or 0):
        return [], []
    first, last = low >> _REST, high >> _REST
    unsure = set()
    if least is not None and low & ((1 << _REST) - 1):
        unsure.add(first)
    if most is not None:
        unsure.add(last)
    sure = _cover(first + (first in unsure), last - (last in unsure))
    start = _number(scope, name)
    return [start + digits for digits in sure], [f"{start}{n:0{_DIGITS}x}" for n in sorted(unsure)]


def all_of(tokens: list[str]) -> str:
    """Return the expression of the documents that have all of these, at least one, tokens."""
    return " AND ".join(f'"{token}"' for token in tokens)


def any_of(expressions: list[str]) -> str:
    """Return the expression of the documents that one of these expressions finds."""
    return "(" + " OR ".join(f"({expression})" for expression in expressions) + ")"


def _cover(first: int, last: int) -> Iterator[str]:
    """Yield the fewest starts of digits that all from first to last have, and no others."""
    for length in range(_DIGITS, 0, -1):
        while first <= last and (first & 15 or length == 1):
            yield f"{first:0{length}x}"
            first += 1
        while first <= last and last & 15 != 15:
            yield f"{last:0{length}x}"
            last -= 1
        if first > last:
            return
        first, last = first >> 4, last >> 4


def _ordered(value: float) -> int:
    """Return 64 bits that are ordered as the numbers are."""
    # Adding nought turns the negative one into the positive.
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return int(bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63)


def _number(scope: int, name: bytes) -> str:
    return f"{scope}n{_digest(name)}"


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=10).hexdigest()
