"""Bodies that many documents name: kept once, as long as one does."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

from cache_fabric.stores._sqlite_bodies import encoded, found_by, kept_text, packed, unpacked
from cache_fabric.stores._sqlite_tokens import word_token
from cache_fabric.stores.documents import Blob

__all__ = ["blob_values", "name_blobs"]

_ID = "SELECT id FROM blobs WHERE scope = ? AND key = ?"
_ADD = "INSERT INTO blobs (scope, key, named) VALUES (?, ?, 0)"
_ADD_BODY = "INSERT INTO blob_bodies (id, size, body) VALUES (?, ?, ?)"
_ADD_WORDS = "INSERT INTO blob_words (rowid, tokens) VALUES (?, ?)"
_VALUE = """
    SELECT size, body FROM blobs JOIN blob_bodies USING (id) WHERE scope = ? AND key = ?
"""
_NAME = "UPDATE blobs SET named = named + ? WHERE scope = ? AND key = ?"
_UNNAMED = """
    SELECT id, size, body FROM blobs JOIN blob_bodies USING (id)
    WHERE scope = ? AND key = ? AND named = 0
"""
_DROP = "DELETE FROM blobs WHERE id = ?"
_DROP_BODY = "DELETE FROM blob_bodies WHERE id = ?"
_DROP_WORDS = "INSERT INTO blob_words (blob_words, rowid, tokens) VALUES ('delete', ?, ?)"


def blob_values(
    connection: sqlite3.Connection, scope: int, keys: Sequence[str]
) -> list[bytes | None]:
    """Return the blobs in the order of the keys."""
    rows = [connection.execute(_VALUE, (scope, encoded(key))).fetchone() for key in keys]
    return [None if row is None else unpacked(*row)[0] for row in rows]


def name_blobs(
    connection: sqlite3.Connection, scope: int, new: Iterable[Blob], named: Counter[bytes]
) -> None:
    """Add the blobs that are not there, count who names them, and drop what nobody names.

    Args:
        connection: Within a write transaction.
        scope: Of the blobs of the namespace.
        new: Those that documents bring.
        named: By key, how many documents more (or, negative, less) name it.
    """
    for blob in {blob.key: blob for blob in reversed([*new])}.values():
        key = (scope, encoded(blob.key))
        if connection.execute(_ID, key).fetchone() is None:
            _add(connection, key, blob)
    connection.executemany(_NAME, [(by, scope, key) for key, by in named.items() if by])
    for unnamed in [(scope, key) for key in named]:
        for number, size, body in connection.execute(_UNNAMED, unnamed).fetchall():
            connection.execute(_DROP, (number,))
            connection.execute(_DROP_BODY, (number,))
            text = unpacked(size, body)[1].decode()
            connection.execute(_DROP_WORDS, (number, _tokens(scope, text)))


def _add(connection: sqlite3.Connection, key: tuple[int, bytes], blob: Blob) -> None:
    text = kept_text(blob.text)
    number = connection.execute(_ADD, key).lastrowid
    body = packed(blob.value, text.encode())
    connection.execute(_ADD_BODY, (number, len(blob.value), body))
    connection.execute(_ADD_WORDS, (number, _tokens(key[0], text)))


def _tokens(scope: int, text: str) -> str:
    return " ".join(word_token(scope, word) for word in found_by(text))
