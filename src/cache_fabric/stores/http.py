"""A store behind the HTTP API of another fabric: its server's own store, a round trip away.

The whole of a fabric runs on it as on any other store: its contexts are followed here, so that they
are read without a round trip and are still known while the server is away, and a lookup that the
server does not answer in time is a counted miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, cast

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.part_link import NAME, Link
from cache_fabric.stores.base import Changes, Durability, Record, Write
from cache_fabric.stores.documents import Document, Found, Query, Term

__all__ = ["HttpStore"]

_LONGEST_WAIT = 5.0  # seconds that one request may wait for a change
_GRACE = 5.0


class HttpStore:
    """Bytes by key in the store of a server; any number of processes may share it.

    Args:
        url: As of `Link`.
        namespace: Has to be that of the server's fabric.
    """

    name = NAME
    shared = True
    durability: Durability = "memory"
    log_span = 0

    def __init__(self, url: str, namespace: str = "default") -> None:
        self._link = Link("store", url)
        self._namespace = namespace
        self._closed = False
        self._waits: set[asyncio.Task[bool]] = set()
        self.documents = HttpDocuments(self._link)

    @classmethod
    def from_url(cls, url: str, namespace: str) -> HttpStore:
        """As the constructor; connects nothing."""
        return cls(url, namespace)

    async def open(self) -> None:
        if self._closed:
            raise BackendUnavailable(NAME, "open", "the store is closed; make a new one")
        self._link.connect()
        said = await self._link.call("store", "open")
        if said.namespace != self._namespace:
            raise ConfigurationError(
                f"namespace: {self._link.address} keeps {said.namespace!r}, not {self._namespace!r}"
            )
        self.durability = cast(Durability, said.durability)
        self.log_span = said.log_span

    async def get(self, key: str) -> bytes | None:
        return cast(bytes | None, await self._call("get", key=key))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return cast(list[bytes | None], await self._call("get_many", keys=keys))

    async def set_many(self, writes: Sequence[Write]) -> None:
        await self._call("set_many", writes=writes)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return cast(bool, await self._call("add", key=key, value=value, ttl=ttl))

    async def remove_if(self, key: str, value: bytes) -> bool:
        return cast(bool, await self._call("remove_if", key=key, value=value))

    async def delete(self, keys: Sequence[str]) -> int:
        return cast(int, await self._call("delete", keys=keys))

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        return self._link.scan(prefix)

    async def clear(self, prefix: str) -> int:
        return cast(int, await self._call("clear", prefix=prefix))

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        return cast(list[Record | None], await self._call("read", keys=keys))

    async def records(self, prefix: str) -> list[Record]:
        return cast(list[Record], await self._call("records", prefix=prefix))

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        return cast(int, await self._call("commit", writes=writes, note=note, expect=expect))

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        return cast(Changes, await self._call("changes", after=after, limit=limit))

    async def wait(self, after: int, timeout: float) -> bool:
        """As the protocol says; a long wait is several requests."""
        left = timeout
        while True:
            seconds = min(left, _LONGEST_WAIT)
            left -= seconds
            moved = await self._until_closed(
                self._link.call("store", "wait", seconds + _GRACE, after=after, timeout=seconds)
            )
            if moved or left <= 0:
                return moved

    async def scrub(self) -> Sequence[str]:
        return cast(Sequence[str], await self._call("scrub"))

    async def aclose(self) -> None:
        self._closed = True
        for waiting in self._waits:
            waiting.cancel()
        await self._link.aclose()

    async def _until_closed(self, call: Coroutine[Any, Any, bool]) -> bool:
        """Return what a wait returns, which the server would otherwise hold on to when we close."""
        waiting = asyncio.ensure_future(call)
        self._waits.add(waiting)
        try:
            await asyncio.wait([waiting])
        finally:
            waiting.cancel()
            self._waits.discard(waiting)
        if waiting.cancelled():
            raise BackendUnavailable(NAME, "wait", "the store was closed")
        return waiting.result()

    async def _call(self, method: str, /, **arguments: Any) -> Any:
        return await self._link.call("store", method, **arguments)


class HttpDocuments:
    """The documents of that store."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def put(self, kind: str, documents: Sequence[Document]) -> None:
        await self._call("put", kind=kind, documents=documents)

    async def mark(
        self, kind: str, key: str, *, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> bool:
        asked = {"kind": kind, "key": key, "terms": terms, "numbers": numbers}
        return cast(bool, await self._call("mark", **asked))

    async def get(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        return cast(list[bytes | None], await self._call("get", kind=kind, keys=keys))

    async def blobs(self, keys: Sequence[str]) -> list[bytes | None]:
        return cast(list[bytes | None], await self._call("blobs", keys=keys))

    async def find(
        self, kind: str, query: Query, *, after: str | None = None, limit: int = 50
    ) -> Found:
        asked = {"kind": kind, "query": query, "after": after, "limit": limit}
        return cast(Found, await self._call("find", **asked))

    async def count(self, kind: str, query: Query) -> int:
        return cast(int, await self._call("count", kind=kind, query=query))

    async def delete(self, kind: str, keys: Sequence[str]) -> int:
        return cast(int, await self._call("delete", kind=kind, keys=keys))

    async def _call(self, method: str, /, **arguments: Any) -> Any:
        return await self._link.call("documents", method, **arguments)
