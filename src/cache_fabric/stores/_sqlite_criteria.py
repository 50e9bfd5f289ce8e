"""A query, as expressions of the full-text index and what they leave to be looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from cache_fabric.stores._sqlite_bodies import Body, Marks, encoded, found_by
from cache_fabric.stores._sqlite_tokens import (
    all_of,
    any_blob,
    any_of,
    blob_token,
    everything,
    term_token,
    within,
    word_token,
)
from cache_fabric.stores.documents import Query, words

__all__ = ["Criteria"]

_MOST_BLOBS = 200
"""That a search goes by. Words that more blobs have are common: it looks at documents instead."""

_BLOBS = """
    SELECT blobs.key FROM blob_words CROSS JOIN blobs ON blobs.id = blob_words.rowid
    WHERE blob_words MATCH ? LIMIT ?
"""
_BLOB = "SELECT 1 FROM blob_words WHERE blob_words MATCH ? AND rowid = ?"
_BLOB_ID = "SELECT id FROM blobs WHERE scope = ? AND key = ?"


class Criteria:
    """What documents of one kind must have.

    Attributes:
        sure: Expression of documents that surely match (but for their time), ``None`` for none.
        maybe: Expression of all that can match, ``None`` for none.
    """

    def __init__(
        self, connection: sqlite3.Connection, scope: int, blob_scope: int, query: Query
    ) -> None:
        self._connection = connection
        self._blob_scope = blob_scope
        self._least = {encoded(name): bound for name, bound in query.least.items()}
        self._most = {encoded(name): bound for name, bound in query.most.items()}
        self._asked = words(query.text)
        self._words_in_blobs = all_of([word_token(blob_scope, word) for word in self._asked])
        self._known: dict[bytes, bool] = {}
        self._looks_into_blobs = False
        parts = list(self._parts(scope, query)) or [([f'"{everything(scope)}"'], [])]
        self.sure = _joined([any_of(sure) for sure, _ in parts if sure], len(parts))
        either = [any_of([*sure, *unsure]) for sure, unsure in parts if sure or unsure]
        self.maybe = _joined(either, len(parts))

    @property
    def looks(self) -> bool:
        """Whether `hold` must be asked."""
        return bool(self._least or self._most or self._looks_into_blobs)

    def hold(self, body: Body, marks: Marks) -> bool:
        """Whether a document that ``maybe`` finds matches (but for its time)."""
        numbers = {**body.marks.numbers, **marks.numbers}
        return (
            all(name in numbers and numbers[name] >= low for name, low in self._least.items())
            and all(name in numbers and numbers[name] <= high for name, high in self._most.items())
            and (not self._looks_into_blobs or self._has_words(body))
        )

    def _parts(self, scope: int, query: Query) -> Iterator[tuple[list[str], list[str]]]:
        """Yield for each criterion what surely meets it, and what may or may not."""
        for field, value in query.terms:
            yield [f'"{term_token(scope, encoded(field), encoded(value))}"'], []
        for name in self._least.keys() | self._most.keys():
            bounds = self._least.get(name), self._most.get(name)
            sure, unsure = within(scope, name, *bounds)
            yield [f'"{token}"' for token in sure], [f'"{token}"' for token in unsure]
        if self._asked:
            yield self._part_of_words(scope)

    def _part_of_words(self, scope: int) -> tuple[list[str], list[str]]:
        own = all_of([word_token(scope, word) for word in self._asked])
        found = self._connection.execute(_BLOBS, (self._words_in_blobs, _MOST_BLOBS + 1))
        keys = [key for (key,) in found.fetchall()]
        if len(keys) > _MOST_BLOBS:
            self._looks_into_blobs = True
            return [own], [f'"{any_blob(scope)}"']
        return [own, *(f'"{blob_token(scope, key)}"' for key in keys)], []

    def _has_words(self, body: Body) -> bool:
        own = set(found_by(body.text))
        return all(word in own for word in self._asked) or any(map(self._is_in_blob, body.blobs))

    def _is_in_blob(self, key: bytes) -> bool:
        if key not in self._known:
            number = self._connection.execute(_BLOB_ID, (self._blob_scope, key)).fetchone()
            asked = (self._words_in_blobs, *(number or (None,)))
            self._known[key] = self._connection.execute(_BLOB, asked).fetchone() is not None
        return self._known[key]


def _joined(expressions: list[str], needed: int) -> str | None:
    return " AND ".join(expressions) if len(expressions) == needed else None
