"""Feedback in the store: one document each, found by its run and by what it says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

from cache_fabric.errors import CodecError, ValidationError
from cache_fabric.feedback_form import FEEDBACK, document, read
from cache_fabric.part import Part
from cache_fabric.records import Feedback, Page
from cache_fabric.stores.documents import Documents, Found, Query

__all__ = ["KeptFeedback"]

_PAGE = 500


class KeptFeedback:
    """The feedback of one namespace; what cannot be read is as good as not there.

    Args:
        store: The store behind its part.
        documents: Of that store.
        secret: Authenticates what is read.
    """

    def __init__(self, store: Part, documents: Documents, secret: bytes) -> None:
        self._store = store
        self._documents = documents
        self._secret = secret

    async def get(self, feedback_id: str) -> Feedback | None:
        """Return one by its id."""
        values = await self._store.demand(lambda: self._documents.get(FEEDBACK, [feedback_id]))
        return next(iter(self.read(value for value in values if value is not None)), None)

    async def put(self, feedback: Sequence[Feedback]) -> None:
        """Keep them in the place of those that have their ids; kept when this returns."""
        kept = [document(one, self._secret) for one in feedback]
        if kept:
            await self._store.demand(lambda: self._documents.put(FEEDBACK, kept))

    async def delete(self, query: Query) -> AsyncIterator[tuple[int, set[str]]]:
        """Delete all that matches, readable or not, page by page.

        Yields how many were there, and the runs that they were given to.
        """
        cursor: str | None = None
        while True:
            found = await self._found(query, _PAGE, cursor)
            count = await self._deleted([key for key, _ in found.items])
            yield count, {one.execution_id for one in self.read(value for _, value in found.items)}
            cursor = found.cursor
            if cursor is None:
                return

    async def newest(self, execution_id: str, most: int | None = None) -> list[Feedback]:
        """Return those that were given to a run, newest first, at most so many."""
        return self.read(await self.values(execution_id, most))

    async def values(self, execution_id: str, most: int | None = None) -> list[bytes]:
        """As `newest`, still to be `read`."""
        query = Query(terms=frozenset([("execution", execution_id)]))
        values: list[bytes] = []
        cursor: str | None = None
        while most is None or len(values) < most:
            limit = _PAGE if most is None else most - len(values)
            found = await self._found(query, limit, cursor)
            values += [value for _, value in found.items]
            cursor = found.cursor
            if cursor is None:
                break
        return values

    def read(self, values: Iterable[bytes]) -> list[Feedback]:
        """Return what can be read of what is kept."""
        feedback = []
        for value in values:
            with contextlib.suppress(CodecError):
                feedback.append(read(value, self._secret))
        return feedback

    async def find(self, query: Query, limit: int, cursor: str | None) -> Page[Feedback]:
        """Return a page, newest first; it may be short, and goes on as long as it has a cursor.

        Raises `ValidationError` for a limit below 1 or a cursor that is not of such a page.
        """
        if limit < 1:
            raise ValidationError("limit", f"expected a whole number above 0, got {limit}")
        found = await self._found(query, limit, cursor)
        return Page(self.read(value for _, value in found.items), found.cursor)

    async def pages(self, query: Query) -> AsyncIterator[Page[Feedback]]:
        """Yield page after page of all that matches."""
        cursor: str | None = None
        while True:
            page = await self.find(query, _PAGE, cursor)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    async def count(self, query: Query) -> int:
        """Return how many match."""
        return await self._store.demand(lambda: self._documents.count(FEEDBACK, query))

    async def _deleted(self, ids: Sequence[str]) -> int:
        return await self._store.demand(lambda: self._documents.delete(FEEDBACK, ids))

    async def _found(self, query: Query, limit: int, cursor: str | None) -> Found:
        return await self._store.demand(
            lambda: self._documents.find(FEEDBACK, query, after=cursor, limit=limit)
        )
