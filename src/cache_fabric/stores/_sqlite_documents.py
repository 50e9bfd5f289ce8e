"""The documents of a store in a file: reads by key on the loop, all else on the worker thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from cache_fabric.stores._sqlite_bodies import encoded
from cache_fabric.stores._sqlite_document_rows import DocumentRows
from cache_fabric.stores._sqlite_document_search import Rest, count_rest, count_sure, find
from cache_fabric.stores.documents import Document, Found, Query, Term

__all__ = ["SqliteDocuments"]

T = TypeVar("T")
_DELETED_AT_A_TIME = 500
Job = Callable[[sqlite3.Connection], T]


class OnWorker(Protocol):
    """Runs a job with the connection that writes."""

    def __call__(self, operation: str, job: Job[T]) -> Awaitable[T]: ...


class ByKey(Protocol):
    """Runs a job that reads so many keys where that takes least time."""

    def __call__(self, operation: str, keys: Sequence[str], job: Job[T]) -> Awaitable[T]: ...


class SqliteDocuments:
    """The documents of a namespace; see `cache_fabric.stores.documents.Documents`.

    Args:
        namespace: Of the store.
        by_key: Of the store.
        on_worker: Of the store.
    """

    def __init__(self, namespace: str, by_key: ByKey, on_worker: OnWorker) -> None:
        self._rows = DocumentRows(encoded(namespace))
        self._by_key = by_key
        self._on_worker = on_worker

    async def put(self, kind: str, documents: Sequence[Document]) -> None:
        await self._on_worker("put documents", lambda file: self._rows.put(file, kind, documents))

    async def mark(
        self, kind: str, key: str, *, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> bool:
        return await self._on_worker(
            "mark a document", lambda file: self._rows.mark(file, kind, key, terms, numbers)
        )

    async def get(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        return await self._by_key(
            "get documents", keys, lambda file: self._rows.get(file, kind, keys)
        )

    async def blobs(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._by_key("get blobs", keys, lambda file: self._rows.blobs(file, keys))

    async def find(
        self, kind: str, query: Query, *, after: str | None = None, limit: int = 50
    ) -> Found:
        def search(file: sqlite3.Connection) -> Found:
            scopes = self._rows.scopes(file, kind)
            return find(file, scopes, query, after, limit)

        return await self._on_worker("find documents", search)

    async def count(self, kind: str, query: Query) -> int:
        def start(file: sqlite3.Connection) -> tuple[int, list[Rest]]:
            return count_sure(file, self._rows.scopes(file, kind), query)

        counted, rests = await self._on_worker("count documents", start)
        for each in rests:
            rest: Rest | None = each
            while rest is not None:
                more, rest = await self._count_some(kind, query, rest)
                counted += more
        return counted

    async def delete(self, kind: str, keys: Sequence[str]) -> int:
        # Some at a time: other writers, here and in other processes, get their turn in between.
        deleted = 0
        for start in range(0, len(keys), _DELETED_AT_A_TIME):
            some = keys[start : start + _DELETED_AT_A_TIME]
            deleted += await self._on_worker(
                "delete documents", partial(self._rows.delete, kind, some)
            )
        return deleted

    async def _count_some(self, kind: str, query: Query, rest: Rest) -> tuple[int, Rest | None]:
        return await self._on_worker(
            "count documents",
            lambda file: count_rest(file, self._rows.scopes(file, kind), query, rest),
        )
