"""What Redis has to know of a document to take it out again: each sorted set it is in, and where.

An index of our own keys has nobody but us to clean it. So beside each document lie its facts, and
whoever replaces or deletes it takes from them what to remove.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from cache_fabric.errors import ValidationError
from cache_fabric.stores._redis_keys import TIME, number, plain, term
from cache_fabric.stores.documents import Document, words

__all__ = ["Facts", "facts_of", "searched_text", "worded"]


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """The facts of one document; names of sorted sets are without what all of its kind share.

    Attributes:
        at: Its time.
        terms, numbers: What it was put with.
        marked_terms, marked_numbers: What it was marked with, which the next put leaves.
        blobs: What it names.
    """

    at: float
    terms: frozenset[bytes]
    numbers: dict[bytes, float]
    marked_terms: frozenset[bytes] = frozenset()
    marked_numbers: dict[bytes, float] = {}
    blobs: frozenset[bytes] = frozenset()

    @classmethod
    def read(cls, raw: bytes) -> Facts:
        return _facts.decode(raw)

    def written(self) -> bytes:
        return msgspec.msgpack.encode(self)

    def marked(self, terms: Iterable[tuple[str, str]], numbers: Mapping[str, float]) -> Facts:
        """The facts with other marks."""
        return msgspec.structs.replace(
            self, marked_terms=_terms(terms), marked_numbers=_numbers(numbers)
        )

    def scores(self) -> dict[bytes, float]:
        """The sorted sets that it is in, and its score there."""
        by_time = {TIME: self.at, **dict.fromkeys(self.terms | self.marked_terms, self.at)}
        return {**by_time, **self.numbers, **self.marked_numbers}


_facts = msgspec.msgpack.Decoder(Facts)


def facts_of(document: Document, earlier: Facts | None) -> Facts:
    """The facts of a document that is put in the place of an earlier one, whose marks it keeps."""
    return Facts(
        at=document.at,
        terms=_terms(document.terms),
        numbers=_numbers(document.numbers),
        marked_terms=earlier.marked_terms if earlier else frozenset(),
        marked_numbers=earlier.marked_numbers if earlier else {},
        blobs=frozenset(plain(blob.key) for blob in document.blobs),
    )


def worded(text: str) -> bytes:
    """The words of a text with a blank around each, so that a word is found as a whole."""
    found = words(text)
    return f" {' '.join(found)} ".encode() if found else b""


def searched_text(document: Document) -> bytes:
    """What the search in words reads of a document: its own words, then a line for each blob."""
    blobs = dict.fromkeys(plain(blob.key) for blob in document.blobs)
    return worded(document.text) + b"".join(b"\n" + blob for blob in blobs)


def _terms(terms: Iterable[tuple[str, str]]) -> frozenset[bytes]:
    return frozenset(term(field, value) for field, value in terms)


def _numbers(numbers: Mapping[str, float]) -> dict[bytes, float]:
    for field, value in numbers.items():
        if math.isnan(value):
            raise ValidationError(field, "expected a number, got nan")
    return {number(field): float(value) for field, value in numbers.items()}
