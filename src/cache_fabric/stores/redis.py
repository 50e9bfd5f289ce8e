"""A store in Redis: one server, sentinels or a cluster; Redis 6.2 or newer, Valkey, no modules.

Two promises. A cache entry always has a time to live in Redis: one that shall live for ever gets
ten years, so that ``volatile-lru`` may evict it. A record or a document never has one, so no policy
but ``allkeys-*`` can evict it, and `open` refuses those.

How long it lasts is up to the server (`durability`): with ``appendfsync always`` what was
acknowledged survives a power cut, with ``everysec`` a server that is killed may lose its last two
seconds, without ``appendonly yes`` all since the last snapshot. Replicas are asynchronous, so a
failover may lose the newest commits, and revisions then go on from the promoted replica's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack

from cache_fabric.errors import BackendUnavailable, ConfigurationError, MissingExtraError

try:
    from cache_fabric.stores import _redis_scripts as scripts
except ModuleNotFoundError as error:
    raise MissingExtraError("redis", "the Redis store") from error

from cache_fabric.stores._redis_checks import check_client, check_server, longest_block
from cache_fabric.stores._redis_documents import RedisDocuments
from cache_fabric.stores._redis_entries import added, assignment, existing, pipelined, values
from cache_fabric.stores._redis_errors import BACKEND
from cache_fabric.stores._redis_keys import Layout, encoded
from cache_fabric.stores._redis_links import (
    PATIENT,
    WATCH,
    Client,
    Link,
    Patience,
    connect,
    primaries,
)
from cache_fabric.stores._redis_scrub import scrubbed
from cache_fabric.stores._redis_settings import durability_of
from cache_fabric.stores._redis_urls import Place, place_of
from cache_fabric.stores._redis_waits import Waits
from cache_fabric.stores.base import Changes, Durability, Record, Write

__all__ = ["RedisStore"]


_STREAM_NODE = 100
"""Entries of a stream that Redis keeps together (``stream-node-max-entries``): what is trimmed of
them is only marked until all have gone."""


class RedisStore:
    """Bytes by key in Redis; any number of stores and processes may share a namespace.

    Args:
        url: A form of `Place.of`, or ``embedded:///folder`` for a server that needs no
            installation (`EmbeddedServer`).
        namespace: Stores of one server and namespace see the same keys, others never do.
        client: In place of ``url``: a ``redis.asyncio.Redis`` or ``RedisCluster``. It is used as
            it is, with its own timeouts, and never closed.
        log_limit: How many changes the log keeps.
        request_timeout: Seconds that `get`, `get_many` and `add` may take in all.

    Raises:
        ConfigurationError: An argument is not usable; the message names it.
    """

    name = BACKEND
    shared = True
    durability: Durability = "memory"

    def __init__(
        self,
        url: str | None = None,
        namespace: str = "default",
        *,
        client: Client | None = None,
        log_limit: int = 100_000,
        request_timeout: float = 0.1,
    ) -> None:
        if (url is None) == (client is None):
            raise ConfigurationError("client: expected either a url or a client")
        if client is not None:
            check_client(client)
        if log_limit < 1:
            raise ConfigurationError(f"log_limit: expected a number above 0, got {log_limit}")
        self.namespace = namespace
        self._place = None if url is None else place_of(url)
        self._client = client
        self._log_limit = log_limit
        self.log_span = log_limit + _STREAM_NODE
        self._request = Patience.of_request(request_timeout)
        self._layout = Layout.of(namespace)
        self.documents = RedisDocuments(self._layout, self._patient)
        self._links: tuple[Link, Link, Link] | None = None
        self._opened = AsyncExitStack()
        self._waits = Waits(self._layout.log, longest_block(client), self._closed_already)
        self._closed = False

    @classmethod
    def from_url(cls, url: str, namespace: str) -> RedisStore:
        """As the constructor; connects nothing."""
        return cls(url, namespace)

    async def open(self) -> None:
        """Connect, and check that the server is one that can keep records.

        Raises:
            ConfigurationError: The server is older than 6.2, or evicts what has no time to live.
            BackendError: Nothing answers, or the login is refused.
        """
        if self._closed:
            raise self._closed_already("open")
        if self._links is not None:
            return
        try:
            place, address = await self._located()
            fast, patient, watch = (
                Link(self._connected(place, patience), address, patience)
                for patience in (self._request, PATIENT, WATCH)
            )
            await check_server(patient, address)
            self.durability = await durability_of(patient)
            # The first calls of a cluster's client fail one another when they come together.
            await patient.call("open", lambda _: primaries(fast.client))
        except BaseException:
            await self._disconnect()
            raise
        self._links = fast, patient, watch

    async def get(self, key: str) -> bytes | None:
        entry = self._layout.entry(key)
        value: bytes | None = await self._fast("get").call("get", lambda client: client.get(entry))
        return value

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        entries = [self._layout.entry(key) for key in keys]
        return await values(self._fast("get_many"), "get_many", entries)

    async def set_many(self, writes: Sequence[Write]) -> None:
        last = {write.key: write for write in writes}.values()
        commands = [assignment(self._layout, write) for write in last]
        await pipelined(self._patient("set_many"), "set_many", commands)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await added(self._fast("add"), self._layout.entry(key), value, ttl)

    async def remove_if(self, key: str, value: bytes) -> bool:
        entry, link = self._layout.entry(key), self._patient("remove_if")
        return await link.call("remove_if", lambda client: scripts.remove_if(client, entry, value))

    async def delete(self, keys: Sequence[str]) -> int:
        commands = [("UNLINK", self._layout.entry(key)) for key in keys]
        return sum(await pipelined(self._patient("delete"), "delete", commands))

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        link = self._patient("scan")
        async for entries in existing(link, "scan", self._layout, prefix):
            for entry, value in zip(entries, await values(link, "scan", entries), strict=True):
                if value is not None:
                    yield self._layout.key(entry), value

    async def clear(self, prefix: str) -> int:
        link = self._patient("clear")
        cleared = 0
        async for entries in existing(link, "clear", self._layout, prefix):
            commands = [("UNLINK", entry) for entry in entries]
            cleared += sum(await pipelined(link, "clear", commands))
        return cleared

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        link = self._patient("read")
        if not keys:
            return []
        fields = [encoded(key) for key in keys]
        stored = await link.call("read", lambda client: client.hmget(self._layout.records, fields))
        return [scripts.record(key, value) for key, value in zip(keys, stored, strict=True)]

    async def records(self, prefix: str) -> list[Record]:
        """As the protocol says; more than 500 come in pages, each as of a moment of its own."""
        found: list[Record] = []
        while page := await self._records_page(prefix, found[-1].key if found else None):
            found += page
        return found

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        commit = scripts.Commit(writes, note, expect or {})
        return await self._patient("commit").call(
            "commit", lambda client: commit.run(client, self._layout, self._log_limit)
        )

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        return await self._patient("changes").call(
            "changes", lambda client: scripts.changes(client, self._layout, after, limit)
        )

    async def wait(self, after: int, timeout: float) -> bool:
        """As the protocol says; raises `BackendUnavailable` if the server is gone at the end."""
        return await self._waits.wait(self._usable("wait")[2], after, timeout)

    async def scrub(self) -> Sequence[str]:
        """Write the files of the server anew, which may take a minute each, and say what remains.

        The change log keeps its notes.
        """
        is_embedded = not isinstance(self._place, Place | None)
        return await scrubbed(self._patient("scrub"), self._layout, is_ours=is_embedded)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waits.close()
        await self._disconnect()

    async def _records_page(self, prefix: str, after: str | None) -> list[Record]:
        return await self._patient("records").call(
            "records", lambda client: scripts.records_page(client, self._layout, prefix, after)
        )

    async def _located(self) -> tuple[Place, str]:
        if self._place is None:
            return Place(), "the Redis of the client that was passed in"
        if isinstance(self._place, Place):
            return self._place, self._place.address
        # First to come, last to go.
        self._opened.push_async_callback(self._place.release)
        return await self._place.join()

    def _connected(self, place: Place, patience: Patience) -> Client:
        if self._client is not None:
            return self._client
        client, close = connect(place, patience)
        self._opened.push_async_callback(close)
        return client

    async def _disconnect(self) -> None:
        self._links = None
        await self._opened.aclose()

    def _fast(self, operation: str) -> Link:
        return self._usable(operation)[0]

    def _patient(self, operation: str) -> Link:
        return self._usable(operation)[1]

    def _usable(self, operation: str) -> tuple[Link, Link, Link]:
        if self._closed:
            raise self._closed_already(operation)
        if self._links is None:
            raise self._unusable(operation, "not open; call open()")
        return self._links

    def _closed_already(self, operation: str) -> BackendUnavailable:
        return self._unusable(operation, "closed; make a new one")

    def _unusable(self, operation: str, state: str) -> BackendUnavailable:
        return BackendUnavailable(self.name, operation, f"the store is {state}")
