"""What the third half of a store must do: documents that are found by more than their key.

A document is bytes under a key, with the terms, numbers, time and words that it is found by; a
store knows nothing of what they mean. Documents never expire and are never evicted. A large body
that many documents repeat is a *blob*: kept once under the hash of its content for as long as a
document names it.

All drivers find the same: words are those of `words`, order is newest first and then by key, from
high to low, a cursor names the last document of its page, and what is put while somebody pages
through is found or not, but never moves what was found.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cache_fabric.errors import ValidationError

__all__ = ["Blob", "Document", "Documents", "Found", "Query", "words"]

Term = tuple[str, str]
"""A field and the value that it has; a document may have several values of one field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A body that is kept once; ``text`` is what documents that name it are found by as well.

    The key says what is in it: of two bodies under one key the first is kept.
    """

    key: str
    value: bytes
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document as it is put.

    Attributes:
        key: Unique within its kind.
        value: What is given back; to the store only bytes.
        at: Seconds since the epoch; the order of documents.
        terms: What it is found by exactly.
        numbers: What it is found by within bounds.
        text: What it is found by in words.
        blobs: The blobs that it names; each is put if it is not there.

    Raises:
        ValidationError: ``at`` is not finite, or one of ``numbers`` is not a number: no order has
            a place for it.
    """

    key: str
    value: bytes
    at: float
    terms: frozenset[Term] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    blobs: Sequence[Blob] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise ValidationError("at", f"expected a finite number, got {self.at}")
        for name, number in self.numbers.items():
            if math.isnan(number):
                raise ValidationError(name, "expected a number, got nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What documents must have; all that is named must hold.

    Attributes:
        terms: Each of these.
        least, most: Numbers that are there and not below, not above these.
        since, until: ``since <= at < until``.
        text: Words that all occur, in the document's own text or all in one of its blobs; a text
            without any word (``"?"``) asks for none and so holds of every document.
    """

    terms: frozenset[Term] = frozenset()
    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    since: float | None = None
    until: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page: keys and values, newest first.

    Attributes:
        items: May be fewer than asked for although there are more: a driver may stop looking after
            so many documents.
        cursor: Where to go on; ``None`` at the end.
    """

    items: tuple[tuple[str, bytes], ...]
    cursor: str | None


class Documents(Protocol):
    """Documents by kind (``"x"``, ``"f"`` ...) of one store and namespace, on its home loop."""

    async def put(self, kind: str, documents: Sequence[Document]) -> None:
        """Write all or none; one of the same key replaces the earlier, but for its marks.

        When it returns, they are kept as the store's ``durability`` says. Every store takes 1,000
        at once; of more it may raise `ValidationError` (field ``documents``).
        """

    async def mark(
        self, kind: str, key: str, *, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> bool:
        """Replace the terms and numbers that a document has beside those it was put with.

        They outlive a `put` of the same key and are deleted with the document. A number needs a
        name of its own, which the document was not put with. Returns False if there is no such
        document.
        """

    async def get(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        """The values, in the order of the keys."""

    async def blobs(self, keys: Sequence[str]) -> list[bytes | None]:
        """The blobs, in the order of the keys."""

    async def find(
        self, kind: str, query: Query, *, after: str | None = None, limit: int = 50
    ) -> Found:
        """A page of what matches; ``limit`` is above 0.

        Raises `ValidationError` (field ``cursor``) for a cursor that is not one of ours.
        """

    async def count(self, kind: str, query: Query) -> int:
        """How many match."""

    async def delete(self, kind: str, keys: Sequence[str]) -> int:
        """Delete what is there, with the blobs that nobody names any more; returns how many."""


def words(text: str) -> list[str]:
    """Return the words of a text, folded: without case and accents, each once, in order.

    A word is a run of letters and digits; a character of a script that is written without spaces
    (Chinese, Japanese, Thai ...) is a word of its own.
    """
    # Unicode's compatible caseless match: what decomposes may have a case, and the other way round.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return list(dict.fromkeys(folded.translate(_SPACED).split()))


_DENSE = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
_MOST_REMEMBERED = 20_000


class _Spaced(dict[int, str]):
    """What stands for a character, looked up once: a prompt has thousands of the same few."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.combining(character):
            spaced = ""
        elif not character.isalnum():
            spaced = " "
        else:
            is_dense = any(low <= code <= high for low, high in _DENSE)
            spaced = f" {character} " if is_dense else character
        if len(self) < _MOST_REMEMBERED:
            self[code] = spaced
        return spaced


_SPACED = _Spaced()
