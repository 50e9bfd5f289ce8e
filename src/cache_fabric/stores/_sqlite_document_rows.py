"""What putting, marking, getting and deleting documents mean in SQL.

Every write keeps three things in step within one transaction: the row, its tokens in the full-text
index, and the count of who names its blobs.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from cache_fabric.stores._sqlite_blobs import blob_values, name_blobs
from cache_fabric.stores._sqlite_bodies import (
    Body,
    Marks,
    digest_of,
    encoded,
    packed,
    unpacked,
)
from cache_fabric.stores._sqlite_file import transaction
from cache_fabric.stores._sqlite_numbers import Numbers, drop_empty
from cache_fabric.stores._sqlite_tokens import tokens_of
from cache_fabric.stores.documents import Document, Term

__all__ = ["DocumentRows"]

_BLOBS = b"\xff"
"""Stands for a kind where blobs are meant; no text is encoded so."""

_NOTHING = 0
"""Number of a kind of which nothing was ever put; no row has it."""

_SCOPE = "SELECT id FROM scopes WHERE namespace = ? AND kind = ?"
_SCOPE_ADD = "INSERT OR IGNORE INTO scopes (namespace, kind) VALUES (?, ?)"
_ROWS = "SELECT id, at, size, body, marks FROM documents WHERE digest = ? AND scope = ?"
_PUT = """
    INSERT INTO documents (id, scope, digest, at, size, body, marks) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_MARK = "UPDATE documents SET marks = ? WHERE id = ?"
_DROP = "DELETE FROM documents WHERE id = ?"
_INDEX = "INSERT INTO document_tokens (rowid, tokens) VALUES (?, ?)"
_UNINDEX = "INSERT INTO document_tokens (document_tokens, rowid, tokens) VALUES ('delete', ?, ?)"


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    at: float
    value: bytes
    body: Body
    marks: Marks


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """The documents of one namespace."""

    namespace: bytes
    _known: dict[bytes, int] = field(default_factory=dict)

    def scopes(self, connection: sqlite3.Connection, kind: str) -> tuple[int, int]:
        """Return the numbers of a kind and of the blobs."""
        return self._scope(connection, encoded(kind)), self._scope(connection, _BLOBS)

    def get(
        self, connection: sqlite3.Connection, kind: str, keys: Sequence[str]
    ) -> list[bytes | None]:
        scope, _ = self.scopes(connection, kind)
        with transaction(connection, "DEFERRED"):
            rows = [_row(connection, scope, encoded(key)) for key in keys]
        return [None if row is None else row.value for row in rows]

    def blobs(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[bytes | None]:
        return blob_values(connection, self._scope(connection, _BLOBS), keys)

    def put(self, connection: sqlite3.Connection, kind: str, documents: Sequence[Document]) -> None:
        last = sorted({d.key: d for d in documents}.values(), key=lambda document: document.at)
        # Reading and packing come first: other writers should not wait for them.
        bodies = [Body.of(document) for document in last]
        packs = [packed(d.value, body.written()) for d, body in zip(last, bodies, strict=True)]
        self._make_scopes(connection, kind)
        scope, blob_scope = self.scopes(connection, kind)
        with transaction(connection):
            change = _Change(connection, scope)
            for document, body, pack in zip(last, bodies, packs, strict=True):
                change.put(document, body, pack)
            change.save()
            new = chain.from_iterable(document.blobs for document in last)
            name_blobs(connection, blob_scope, new, change.named)

    def mark(
        self,
        connection: sqlite3.Connection,
        kind: str,
        key: str,
        terms: frozenset[Term],
        numbers: Mapping[str, float],
    ) -> bool:
        scope, _ = self.scopes(connection, kind)
        marks = Marks.of(terms, numbers)
        with transaction(connection):
            row = _row(connection, scope, encoded(key))
            if row is not None:
                connection.execute(_UNINDEX, (row.number, tokens_of(scope, row.body, row.marks)))
                connection.execute(_INDEX, (row.number, tokens_of(scope, row.body, marks)))
                connection.execute(_MARK, (marks.written(), row.number))
        return row is not None

    def delete(self, kind: str, keys: Sequence[str], connection: sqlite3.Connection) -> int:
        scope, blob_scope = self.scopes(connection, kind)
        with transaction(connection):
            change = _Change(connection, scope)
            deleted = sum(change.drop(key) for key in dict.fromkeys(keys))
            change.save()
            name_blobs(connection, blob_scope, (), change.named)
        return deleted

    def _scope(self, connection: sqlite3.Connection, kind: bytes) -> int:
        if kind not in self._known:
            row = connection.execute(_SCOPE, (self.namespace, kind)).fetchone()
            if row is None:
                return _NOTHING
            self._known[kind] = row[0]
        return self._known[kind]

    def _make_scopes(self, connection: sqlite3.Connection, kind: str) -> None:
        # Not within the transaction of the documents: what is remembered is never rolled back.
        for each in (encoded(kind), _BLOBS):
            if self._scope(connection, each) == _NOTHING:
                connection.execute(_SCOPE_ADD, (self.namespace, each))


class _Change:
    """Documents of one kind that are put or dropped in one transaction."""

    def __init__(self, connection: sqlite3.Connection, scope: int) -> None:
        self._connection = connection
        self._scope = scope
        self._numbers = Numbers(connection)
        self._dropped: dict[int, str] = {}
        self._added: dict[int, str] = {}
        self.named: Counter[bytes] = Counter()

    def put(self, document: Document, body: Body, pack: bytes) -> None:
        """Write a document, in the place of the earlier one of its key."""
        earlier = self._take(body.key)
        marks = Marks.read(None) if earlier is None else earlier.marks
        if earlier is not None and earlier.at == document.at:
            # Whoever is paging through finds it where it was.
            number = earlier.number
        else:
            number = self._numbers.next(document.at)
        size = len(document.value)
        digest = digest_of(self._scope, body.key)
        row = (number, self._scope, digest, document.at, size, pack)
        self._connection.execute(_PUT, (*row, marks.written()))
        self._added[number] = tokens_of(self._scope, body, marks)
        self.named.update(body.blobs)

    def drop(self, key: str) -> bool:
        """Delete a document; returns whether it was there."""
        return self._take(encoded(key)) is not None

    def save(self) -> None:
        """Write the tokens and the numbers."""
        # By ascending number, and out before in: FTS5 writes a segment wherever that is broken.
        for number in sorted(self._dropped.keys() | self._added.keys()):
            if number in self._dropped:
                self._connection.execute(_UNINDEX, (number, self._dropped[number]))
            if number in self._added:
                self._connection.execute(_INDEX, (number, self._added[number]))
        self._numbers.save()
        drop_empty(self._connection, self._dropped)

    def _take(self, key: bytes) -> _Row | None:
        row = _row(self._connection, self._scope, key)
        if row is not None:
            self._connection.execute(_DROP, (row.number,))
            self._dropped[row.number] = tokens_of(self._scope, row.body, row.marks)
            self.named.subtract(row.body.blobs)
        return row


def _row(connection: sqlite3.Connection, scope: int, key: bytes) -> _Row | None:
    found = connection.execute(_ROWS, (digest_of(scope, key), scope))
    for number, at, size, packed_body, marks in found.fetchall():
        value, behind = unpacked(size, packed_body)
        body = Body.read(behind)
        if body.key == key:
            return _Row(number, at, value, body, Marks.read(marks))
    return None
