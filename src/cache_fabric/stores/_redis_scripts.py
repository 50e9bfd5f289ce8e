"""The steps that must be one step for everybody else, as Lua scripts that the server runs.

Every key is declared and all keys of a script share one hash tag, as a cluster demands. Redis
undoes nothing when a script fails half way, so the first command of a commit that writes is one
that a full server refuses (``HINCRBY``): a commit is refused before it begins or runs to its end.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from redis.exceptions import NoScriptError

from cache_fabric.stores._redis_keys import Layout, decoded, encoded
from cache_fabric.stores.base import Change, Changes, CommitConflict, Record, Write

__all__ = ["REMEMBERED_MS", "Commit", "Script", "changes", "record", "records_page", "remove_if"]

REMEMBERED_MS = 60_000
"""How long a step that is tried again is known to be done; longer than all its tries."""

_RECORDS_A_PAGE = 500
"""Far below the 8,000 values that Lua can unpack."""


@dataclass(frozen=True, slots=True)
class Script:
    """A text of Lua that the server keeps by its hash and is sent when it does not have it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)

    async def run(self, client: Any, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        try:
            return await client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:  # a new server, or one that was told to forget its scripts
            return await client.eval(self.text, len(keys), *keys, *arguments)


_COMMIT = Script("""
local head, records, order, log, done = unpack(KEYS)
local limit, note, remembered, expectations = unpack(ARGV, 1, 4)
local earlier = redis.call('GET', done)
if earlier then return {earlier} end
local at = 5
for _ = 1, tonumber(expectations) do
  local key, expected = ARGV[at], ARGV[at + 1]
  at = at + 2
  local stored = redis.call('HGET', records, key)
  local current = stored and string.match(stored, '^%d+') or '0'
  if current ~= expected then return {key, current} end
end
local number = redis.call('HINCRBY', head, 'head', 1)
local revision = string.format('%.0f', number)
for i = at, #ARGV, 3 do
  local key = ARGV[i + 1]
  if ARGV[i] == 'put' then
    if redis.call('HSET', records, key, revision .. ':' .. ARGV[i + 2]) == 1 then
      redis.call('ZADD', order, 0, key)
    end
  else
    redis.call('HDEL', records, key)
    redis.call('ZREM', order, key)
  end
end
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
redis.call('XADD', log, 'MAXLEN', '=', limit, revision .. '-0', 'at', now, 'note', note)
local floor = number - tonumber(limit)
if floor > tonumber(redis.call('HGET', head, 'floor') or '0') then
  redis.call('HSET', head, 'floor', string.format('%.0f', floor))
end
redis.call('SET', done, revision, 'PX', remembered)
return {revision}
""")

_CHANGES = Script("""
local bounds = redis.call('HMGET', KEYS[1], 'head', 'floor')
local items = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])
return {bounds[1] or '0', bounds[2] or '0', items}
""")

_RECORDS_PAGE = Script("""
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
if #keys == 0 then return {keys, keys} end
return {keys, redis.call('HMGET', KEYS[1], unpack(keys))}
""")


_REMOVE_IF = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
""")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that may be run again when its answer was lost: it happens once.

    The token is kept by the server for a minute beside the revision that the commit got.
    """

    writes: Sequence[Write]
    note: bytes
    expect: Mapping[str, int]
    token: bytes = field(default_factory=lambda: os.urandom(16).hex().encode())

    async def run(self, client: Any, layout: Layout, log_limit: int) -> int:
        """The revision; raises `CommitConflict`."""
        keys = [layout.head, layout.records, layout.order, layout.log, layout.done + self.token]
        settings = (log_limit, self.note, REMEMBERED_MS, len(self.expect))
        arguments = [*settings, *chain.from_iterable(self._steps())]
        reply = await _COMMIT.run(client, keys, arguments)
        if len(reply) == 2:
            raise CommitConflict(decoded(reply[0]), int(reply[1]))
        return int(reply[0])

    def _steps(self) -> Iterator[tuple[Any, ...]]:
        for key, revision in self.expect.items():
            yield encoded(key), revision
        for write in self.writes:
            if write.value is None:
                yield "drop", encoded(write.key), b""
            else:
                yield "put", encoded(write.key), write.value


def record(key: str, stored: bytes | None) -> Record | None:
    """What a field of the records hash means."""
    if stored is None:
        return None
    revision, _, value = stored.partition(b":")
    return Record(key, value, int(revision))


async def records_page(client: Any, layout: Layout, prefix: str, after: str | None) -> list[Record]:
    """The next records below a prefix as of one moment; an empty list ends the listing."""
    start = b"[" + encoded(prefix) if after is None else b"(" + encoded(after)
    end = b"(" + encoded(prefix) + b"\xff"
    keys, stored = await _RECORDS_PAGE.run(
        client, [layout.records, layout.order], [start, end, _RECORDS_A_PAGE]
    )
    found = (record(decoded(key), value) for key, value in zip(keys, stored, strict=True))
    return [item for item in found if item is not None]


async def remove_if(client: Any, entry: bytes, value: bytes) -> bool:
    """Delete a cache entry that still has this value; whether it had."""
    return bool(await _REMOVE_IF.run(client, [entry], [value]))


async def changes(client: Any, layout: Layout, after: int, limit: int) -> Changes:
    """A page of the log with the head and floor of the same moment."""
    head, floor, items = await _CHANGES.run(
        client, [layout.head, layout.log], [f"{max(after, 0) + 1}-0", max(limit, 0)]
    )
    return Changes(tuple(_change(*item) for item in items or ()), int(head), int(floor))


def _change(item_id: bytes, fields: Sequence[bytes]) -> Change:
    _, at, _, note = fields
    return Change(int(item_id.partition(b"-")[0]), float(at), note)
