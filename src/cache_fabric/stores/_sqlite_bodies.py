"""What a row of a document holds beside its key and time, as bytes. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

from cache_fabric.stores.documents import Document, Term, words

__all__ = ["Body", "Marks", "Terms", "decoded", "encoded", "packed", "unpacked", "value_of"]

Terms = set[tuple[bytes, bytes]]


class Marks(msgspec.Struct, array_like=True, frozen=True):
    """Terms and numbers of a document, all texts as bytes."""

    terms: Terms
    numbers: dict[bytes, float]

    @classmethod
    def of(cls, terms: frozenset[Term], numbers: Mapping[str, float]) -> Marks:
        """Return them as they are kept."""
        return cls(
            {(encoded(field), encoded(value)) for field, value in terms},
            {encoded(name): float(number) for name, number in numbers.items()},
        )

    @classmethod
    def read(cls, raw: bytes | None) -> Marks:
        """Return those of a row, none for ``None``."""
        return NO_MARKS if raw is None else _read_marks(raw)

    def written(self) -> bytes | None:
        """Return them for a row."""
        return msgspec.msgpack.encode(self) if self.terms or self.numbers else None


class Body(msgspec.Struct, array_like=True, frozen=True):
    """What a document was put with to be found by; its words with spaces between them."""

    marks: Marks
    words: str
    blobs: set[bytes]

    @classmethod
    def of(cls, document: Document) -> Body:
        """Return that of a document."""
        return cls(
            Marks.of(document.terms, document.numbers),
            " ".join(words(document.text)),
            {encoded(blob.key) for blob in document.blobs},
        )

    @classmethod
    def read(cls, raw: bytes) -> Body:
        """Return that of a row."""
        return _read_body(raw)

    def written(self) -> bytes:
        """Return it for a row."""
        return msgspec.msgpack.encode(self)


NO_MARKS = Marks(set(), {})
_read_marks = msgspec.msgpack.Decoder(Marks).decode
_read_body = msgspec.msgpack.Decoder(Body).decode
_LEVEL = 6


def packed(value: bytes, behind: bytes) -> bytes:
    """Return a value and what is kept behind it, compressed as one: they repeat each other."""
    return zlib.compress(value + behind, _LEVEL)


def value_of(size: int, body: bytes) -> bytes:
    """Return the value of a row; ``size`` is its length."""
    return zlib.decompress(body)[:size]


def unpacked(size: int, body: bytes) -> tuple[bytes, bytes]:
    """Return both parts of a row."""
    whole = zlib.decompress(body)
    return whole[:size], whole[size:]


def encoded(text: str) -> bytes:
    """Return any text as bytes, in the order of its code points."""
    return text.encode("utf-8", "surrogatepass")


def decoded(raw: bytes) -> str:
    """Return the text of such bytes."""
    return raw.decode("utf-8", "surrogatepass")
