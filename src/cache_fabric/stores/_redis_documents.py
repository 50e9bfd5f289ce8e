"""The document half in Redis: plain keys of our own on one server, sentinels or a cluster.

What a put or delete changes is one script (`_redis_document_change`), what is found is walked in
bounded steps (`_redis_document_search`). Words are searched by reading: a search for a rare word
over many documents is several short or empty pages.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType

from cache_fabric.errors import BackendUnavailable, ValidationError
from cache_fabric.stores._document_cursor import cursor_at, read_cursor
from cache_fabric.stores._redis_document_change import Change
from cache_fabric.stores._redis_document_facts import Facts, facts_of, searched_text, worded
from cache_fabric.stores._redis_document_search import Search
from cache_fabric.stores._redis_entries import pipelined
from cache_fabric.stores._redis_errors import BACKEND
from cache_fabric.stores._redis_keys import Layout, encoded, plain
from cache_fabric.stores._redis_links import Link
from cache_fabric.stores.documents import Blob, Document, Found, Query, Term

__all__ = ["RedisDocuments"]

_MOST_A_PUT = 1000
"""A put is one script, and a server answers nobody else while it runs one."""

_A_BATCH = 200
"""Documents or blobs a round trip where one step need not be all."""

_STEPS_A_PAGE = 40
"""Together 20,000 documents that are looked at."""

_TRIES = 100
"""Each that fails is a change by somebody else that went through."""


class RedisDocuments:
    """`Documents` of one namespace.

    Args:
        layout: Where the namespace is.
        link: Gives the link of an operation; raises `BackendUnavailable` without one.
    """

    def __init__(self, layout: Layout, link: Callable[[str], Link]) -> None:
        self._layout = layout
        self._link = link

    async def put(self, kind: str, documents: Sequence[Document]) -> None:
        """As the protocol says; the server answers nobody else for 5 ms for each 100 documents.

        Raises:
            ValidationError: They are more than 1,000.
        """
        if len(documents) > _MOST_A_PUT:
            raise ValidationError(
                "documents", f"expected at most {_MOST_A_PUT} at once, got {len(documents)}"
            )
        latest = {encoded(document.key): document for document in documents}
        texts = {key: await _read_out(document) for key, document in latest.items()}
        named = [blob for document in latest.values() for blob in document.blobs]
        blobs = {plain(blob.key): blob for blob in reversed(named)}

        def put(change: Change, key: bytes, read: bytes | None) -> None:
            earlier = Facts.read(read) if read is not None else None
            change.facts(key, read, facts_of(latest[key], earlier))
            change.body(key, latest[key].value, texts[key])

        await self._changed("put", kind, list(latest), put, blobs)

    async def mark(
        self, kind: str, key: str, *, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> bool:
        def mark(change: Change, key: bytes, read: bytes | None) -> None:
            if read is not None:
                change.facts(key, read, Facts.read(read).marked(terms, numbers))

        return await self._changed("mark", kind, [encoded(key)], mark) == 1

    async def get(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        fields = [encoded(key) for key in keys]
        return await self._values("get", self._layout.kind(kind).values, fields)

    async def blobs(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._values("blobs", self._layout.blobs, [plain(key) for key in keys])

    async def find(
        self, kind: str, query: Query, *, after: str | None = None, limit: int = 50
    ) -> Found:
        """As the protocol says; a page ends early when 20,000 documents were looked at."""
        place = None if after is None else read_cursor(after)
        search = self._search("find", kind, query)
        if await search.begin() == 0:
            return Found((), None)
        items: list[tuple[str, bytes]] = []
        for _ in range(_STEPS_A_PAGE):
            found, place = await search.step(place, limit - len(items))
            items += found
            if place is None or len(items) >= limit:
                break
        return Found(tuple(items), None if place is None else cursor_at(place))

    async def count(self, kind: str, query: Query) -> int:
        """As the protocol says; of more than one criterion it looks at all that have the rarest."""
        search = self._search("count", kind, query)
        known = await search.begin()
        if known is not None:
            return known
        total, place = await search.step(None, None)
        while place is not None:
            more, place = await search.step(place, None)
            total += more
        return int(total)

    async def delete(self, kind: str, keys: Sequence[str]) -> int:
        def drop(change: Change, key: bytes, read: bytes | None) -> None:
            if read is not None:
                change.facts(key, read, None)

        each = list(dict.fromkeys(map(encoded, keys)))
        batches = (each[start : start + _A_BATCH] for start in range(0, len(each), _A_BATCH))
        return sum([await self._changed("delete", kind, batch, drop) for batch in batches])

    async def _changed(
        self,
        operation: str,
        kind: str,
        keys: Sequence[bytes],
        wanted: Callable[[Change, bytes, bytes | None], None],
        blobs: Mapping[bytes, Blob] = MappingProxyType({}),
    ) -> int:
        """Let a change of these documents happen once; how many of them were there before."""
        link, token = self._link(operation), os.urandom(16).hex().encode()
        place = self._layout.kind(kind)
        for _ in range(_TRIES):
            facts = await self._values(operation, place.facts, keys)
            named = await self._values(operation, self._layout.blob_names, list(blobs))
            change = Change(self._layout, place, token)
            for key, read in zip(keys, facts, strict=True):
                await asyncio.sleep(0)  # this is the loop that answers look-ups
                wanted(change, key, read)
            for (name, blob), count in zip(blobs.items(), named, strict=True):
                if count is None:
                    change.blob(name, blob.value, worded(blob.text))
            done = await link.call(operation, change.run) if change else 0
            if done is not None:
                return done
        message = "others change the same documents all the time; try again"
        raise BackendUnavailable(BACKEND, operation, message)

    async def _values(
        self, operation: str, place: bytes, fields: Sequence[bytes]
    ) -> list[bytes | None]:
        batches = (fields[start : start + _A_BATCH] for start in range(0, len(fields), _A_BATCH))
        commands = [("HMGET", place, *batch) for batch in batches]
        replies = await pipelined(self._link(operation), operation, commands)
        return list(chain.from_iterable(replies))

    def _search(self, operation: str, kind: str, query: Query) -> Search:
        return Search(
            self._layout, self._layout.kind(kind), query, self._link(operation), operation
        )


async def _read_out(document: Document) -> bytes:
    # Reading a long text takes a while, and this is the loop that answers look-ups.
    await asyncio.sleep(0)
    return searched_text(document)
