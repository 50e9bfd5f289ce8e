"""What a row of a document holds as bytes: its value, and behind it what it is found by. Pure.

Both are compressed as one, for they repeat each other, and with a dictionary of what most documents
repeat: a short text has no time to learn from itself. The index keeps no text, so what a document
is found by is needed to take it out again. Files are read by what is written here: it never changes
without a migration.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from cache_fabric.stores._sqlite_dictionary import DICTIONARY
from cache_fabric.stores.documents import Document, Term, words

__all__ = [
    "Body",
    "Marks",
    "decoded",
    "digest_of",
    "encoded",
    "found_by",
    "kept_text",
    "packed",
    "unpacked",
]

_RAW = -15  # the largest window; below 0: without a head and a sum of 6 bytes
_RAW_OF_LITTLE = -13  # a window of 8 KiB takes a third of the time, most of which is to clear it
_LITTLE = 6 * 1024


class Marks(msgspec.Struct, array_like=True, frozen=True):
    """Terms and numbers of a document, all texts as bytes."""

    terms: set[tuple[bytes, bytes]]
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
        return _NO_MARKS if raw is None else _read_marks(raw)

    def written(self) -> bytes | None:
        """Return them for a row."""
        return msgspec.msgpack.encode(self) if self.terms or self.numbers else None


class Body(msgspec.Struct, array_like=True, frozen=True):
    """What a document was put with, but for its value and time."""

    key: bytes
    marks: Marks
    text: str
    blobs: set[bytes]

    @classmethod
    def of(cls, document: Document) -> Body:
        """Return that of a document."""
        return cls(
            encoded(document.key),
            Marks.of(document.terms, document.numbers),
            kept_text(document.text),
            {encoded(blob.key) for blob in document.blobs},
        )

    @classmethod
    def read(cls, raw: bytes) -> Body:
        """Return that of a row."""
        return _read_body(raw)

    def written(self) -> bytes:
        """Return it for a row."""
        return msgspec.msgpack.encode(self)


_NO_MARKS = Marks(set(), {})
_read_marks = msgspec.msgpack.Decoder(Marks).decode
_read_body = msgspec.msgpack.Decoder(Body).decode


def kept_text(text: str) -> str:
    """Return what of a text is kept, so that any Python finds the same words in it again."""
    # A text as it is costs next to nothing behind the value that it was taken from. But what are
    # words beyond ASCII is up to the Unicode version of this Python.
    return text if text.isascii() else " ".join(words(text))


def found_by(text: str) -> list[str]:
    """Return the words of a text that was kept."""
    return words(text) if text.isascii() else text.split()


def digest_of(scope: int, key: bytes) -> int:
    """Return 48 bits to look a key up by, short whatever its length; several may share them."""
    digest = blake2b(key, digest_size=6, key=str(scope).encode()).digest()
    return int.from_bytes(digest, signed=True)


def packed(value: bytes, behind: bytes) -> bytes:
    """Return both as one."""
    whole = value + behind
    window = _RAW_OF_LITTLE if len(whole) <= _LITTLE else _RAW
    compressor = zlib.compressobj(wbits=window, zdict=DICTIONARY)
    return compressor.compress(whole) + compressor.flush()


def unpacked(size: int, body: bytes) -> tuple[bytes, bytes]:
    """Return both; ``size`` is that of the value."""
    whole = zlib.decompressobj(_RAW, DICTIONARY).decompress(body)
    return whole[:size], whole[size:]


def encoded(text: str) -> bytes:
    """Return any text as bytes, in the order of its code points."""
    return text.encode("utf-8", "surrogatepass")


def decoded(raw: bytes) -> str:
    """Return the text of such bytes."""
    return raw.decode("utf-8", "surrogatepass")
