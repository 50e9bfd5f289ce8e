"""A change of documents as one Lua script: all of it or nothing, for everybody else one step.

Which sorted sets a document leaves is known only from its facts, and a script may touch no key
that it was not given. So the facts are read first, the script is given every key that follows from
them, and it begins only if they are still what was read; if not, the change is made anew.

Redis undoes nothing when a script fails half way. The first command that writes is one that a full
server refuses (``HSET``), so a put is refused before it begins or runs to its end; a delete begins
with one that a full server takes.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from cache_fabric.stores._redis_document_facts import Facts
from cache_fabric.stores._redis_keys import KindLayout, Layout
from cache_fabric.stores._redis_scripts import REMEMBERED_MS, Script

__all__ = ["Change"]

_VALUES_A_COMMAND = 1000
"""Even, for pairs; far below the 8,000 values that Lua can unpack."""

_CHANGE = Script("""
local done, facts, blobs, words, names = unpack(KEYS, 1, 5)
local earlier = redis.call('GET', done)
if earlier then return earlier end
local read, known, steps, less, result, remembered = unpack(cmsgpack.unpack(ARGV[1]))
for _, document in ipairs(read) do
  if (redis.call('HGET', facts, document[1]) or '') ~= document[2] then return false end
end
for _, blob in ipairs(known) do
  if redis.call('HEXISTS', blobs, blob) == 0 then return false end
end
for _, step in ipairs(steps) do
  redis.call(step[1], KEYS[step[2]], unpack(step[3]))
end
for _, lost in ipairs(less) do
  if redis.call('HINCRBY', names, lost[1], lost[2]) < 1 then
    redis.call('HDEL', names, lost[1])
    redis.call('HDEL', blobs, lost[1])
    redis.call('HDEL', words, lost[1])
  end
end
redis.call('SET', done, result, 'PX', remembered)
return result
""")
"""One packed argument: of ten thousands redis-py would make a request for a third of a second."""

Step = tuple[str, bytes, Sequence[bytes | str]]


class Change:
    """What is to become of some documents of a kind.

    Args:
        layout: Where the blobs are.
        kind: Where the documents are.
        token: Under it the server remembers for a minute that this was done, so that it may be
            sent again when the answer was lost.
    """

    def __init__(self, layout: Layout, kind: KindLayout, token: bytes) -> None:
        self._layout = layout
        self._kind = kind
        self._done = layout.done + token
        self._read: dict[bytes, bytes] = {}
        self._fields: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
        self._gone: dict[bytes, list[bytes]] = defaultdict(list)
        self._scores: dict[bytes, dict[bytes, float]] = defaultdict(dict)
        self._unscored: dict[bytes, list[bytes]] = defaultdict(list)
        self._names: Counter[bytes] = Counter()
        self._new_blobs: dict[bytes, tuple[bytes, bytes]] = {}

    def facts(self, key: bytes, read: bytes | None, now: Facts | None) -> None:
        """Let a document have other facts than those that were read, or with ``None`` go."""
        self._read[key] = read or b""
        earlier = Facts.read(read) if read is not None else None
        before = earlier.scores() if earlier else {}
        after = now.scores() if now else {}
        for name, score in after.items():
            if before.get(name) != score:
                self._scores[name][key] = score
        for name in before.keys() - after.keys():
            self._unscored[name].append(key)
        self._names.update(now.blobs if now else ())
        self._names.subtract(earlier.blobs if earlier else ())
        if now:
            self._fields[self._kind.facts][key] = now.written()
        else:
            for place in (self._kind.facts, self._kind.values, self._kind.words):
                self._gone[place].append(key)

    def body(self, key: bytes, value: bytes, text: bytes) -> None:
        """Let a document have this value and searched text."""
        self._fields[self._kind.values][key] = value
        if text:
            self._fields[self._kind.words][key] = text
        elif self._read[key]:
            self._gone[self._kind.words].append(key)

    def blob(self, blob: bytes, value: bytes, words: bytes) -> None:
        """Put a blob, unless somebody else has put it."""
        self._new_blobs[blob] = value, words

    def __bool__(self) -> bool:
        return bool(self._read)

    async def run(self, client: Any) -> int | None:
        """How many documents it was about, or ``None`` if they are not as they were read."""
        places = [self._done, self._kind.facts]
        places += [self._layout.blobs, self._layout.blob_words, self._layout.blob_names]
        numbers = {place: number for number, place in enumerate(places, 1)}
        steps = [
            (command, numbers.setdefault(place, len(numbers) + 1), _for_lua(values))
            for command, place, values in self._steps()
        ]
        known = [
            blob for blob, more in self._names.items() if more > 0 and blob not in self._new_blobs
        ]
        less = [_for_lua((blob, f"{more}")) for blob, more in self._names.items() if more < 0]
        read = [_for_lua(pair) for pair in self._read.items()]
        result = f"{sum(1 for read in self._read.values() if read)}"
        packed = (read, _for_lua(known), steps, less, result, f"{REMEMBERED_MS}")
        reply = await _CHANGE.run(client, list(numbers), [msgspec.msgpack.encode(packed)])
        return None if reply is None else int(reply)

    def _steps(self) -> Iterator[Step]:
        # What a full server refuses comes first, what a name is counted for before what it loses.
        for place, fields in self._fields.items():
            yield from _pieces("HSET", place, chain.from_iterable(fields.items()))
        for name, scores in self._scores.items():
            pairs = ((repr(score), key) for key, score in scores.items())
            yield from _pieces("ZADD", self._kind.prefix + name, chain.from_iterable(pairs))
        for blob, (value, words) in self._new_blobs.items():
            yield "HSETNX", self._layout.blobs, (blob, value)
            if words:
                yield "HSETNX", self._layout.blob_words, (blob, words)
        for blob, more in self._names.items():
            if more > 0:
                yield "HINCRBY", self._layout.blob_names, (blob, f"{more}")
        for name, keys in self._unscored.items():
            yield from _pieces("ZREM", self._kind.prefix + name, keys)
        for place, keys in self._gone.items():
            yield from _pieces("HDEL", place, keys)


def _pieces(command: str, place: bytes, values: Iterable[bytes | str]) -> Iterator[Step]:
    every = list(values)
    for start in range(0, len(every), _VALUES_A_COMMAND):
        yield command, place, every[start : start + _VALUES_A_COMMAND]


def _for_lua(values: Iterable[bytes | str]) -> list[str | msgspec.Raw]:
    # Redis reads the MessagePack of before there were bytes in it: they have to be a text there.
    return [
        value if isinstance(value, str) else msgspec.Raw(_TEXT_HEAD.pack(0xDB, len(value)) + value)
        for value in values
    ]


_TEXT_HEAD = struct.Struct(">BI")
