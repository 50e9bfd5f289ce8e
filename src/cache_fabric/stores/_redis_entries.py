"""The cache half in Redis commands: many keys at once, on one server or spread over a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from operator import methodcaller
from typing import Any

from redis.asyncio import RedisCluster

from cache_fabric.stores._redis_keys import Layout
from cache_fabric.stores._redis_links import Link, asking, primaries
from cache_fabric.stores.base import Write

__all__ = ["added", "assignment", "existing", "pipelined", "values"]

_FOR_EVER = 10 * 365 * 24 * 3600.0
"""Seconds: long enough for ever, and a time to live for ``volatile-lru`` to evict by."""

_BATCH = 500
"""Keys a round trip: a server answers nobody else while it works through them."""

_SCAN_COUNT = 1000

Command = tuple[Any, ...]


def assignment(layout: Layout, write: Write) -> Command:
    """The command that does a write."""
    entry = layout.entry(write.key)
    ttl = _FOR_EVER if write.ttl is None else write.ttl
    if write.value is None or ttl <= 0:
        return ("UNLINK", entry)
    return ("SET", entry, write.value, "PX", _milliseconds(ttl))


async def added(link: Link, entry: bytes, value: bytes, ttl: float) -> bool:
    """Whether the entry was absent and is now this value."""
    setting = methodcaller("set", entry, value, nx=True, px=_milliseconds(ttl))
    return bool(await link.call("add", setting))


async def pipelined(link: Link, operation: str, commands: Sequence[Command]) -> list[Any]:
    """The reply of each command; commands of one key run in their order."""
    replies: list[Any] = []
    for start in range(0, len(commands), _BATCH):
        batch = commands[start : start + _BATCH]
        replies += await link.call(operation, partial(_run, commands=batch))
    return replies


async def values(link: Link, operation: str, entries: Sequence[bytes]) -> list[bytes | None]:
    """The values in the order of the entries."""
    if isinstance(link.client, RedisCluster):
        return await pipelined(link, operation, [("GET", entry) for entry in entries])
    found: list[bytes | None] = []
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        found += await link.call(operation, methodcaller("mget", batch))
    return found


async def existing(
    link: Link, operation: str, layout: Layout, prefix: str
) -> AsyncIterator[list[bytes]]:
    """The entries below a prefix, page by page, each once.

    SCAN goes over all keys of the server, other people's too: the cost is that of the server, not
    of the namespace. A slot that moves to another node meanwhile may be missed.
    """
    pattern = layout.pattern(prefix)
    seen: set[bytes] = set()
    for node in await link.call(operation, primaries):
        cursor = 0
        while True:
            step = ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
            cursor, page = await link.call(operation, asking(node, *step))
            # SCAN may repeat a key when the server resizes its table.
            fresh = list(dict.fromkeys(entry for entry in page if entry not in seen))
            seen.update(fresh)
            if fresh:
                yield fresh
            if cursor == 0:
                break


def _milliseconds(ttl: float) -> int:
    return max(1, round(min(ttl, _FOR_EVER) * 1000))


async def _run(client: Any, commands: Sequence[Command]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute()
        return replies
