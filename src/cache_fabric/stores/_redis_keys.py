"""How a namespace is laid out in Redis.

::

    cf:<namespace>:c:<key>        string  one cache entry; spread over the slots of a cluster
    {cf:<namespace>}:records      hash    key -> "<revision>:<value>"
    {cf:<namespace>}:order        zset    the keys of the records, all at score 0
    {cf:<namespace>}:log          stream  the change log; the id of an item is "<revision>-0"
    {cf:<namespace>}:head         hash    head and floor of the log
    {cf:<namespace>}:done:<token> string  the revision that a commit got, for one minute

All of the record half has one hash tag and so lives in one cluster slot: a commit is one script.
The sorted set is there for prefixes: Redis compares its members byte by byte, so the records below
a prefix are one range of it, where HSCAN would read every record of the namespace.

The namespace is percent-encoded: no character of it can end the tag, start another part of the
name or be a wildcard. Keys are UTF-8 with ``surrogatepass``: every Python text, losslessly, in the
order of code points, and never with a byte 255.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Layout", "decoded", "encoded"]

_WILDCARDS = re.compile(rb"[*?\[\]\\]")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Layout:
    """The Redis keys of one namespace."""

    cache: bytes
    head: bytes
    records: bytes
    order: bytes
    log: bytes
    done: bytes

    @classmethod
    def of(cls, namespace: str) -> Layout:
        name = quote(encoded(namespace), safe="").encode()
        tag = b"{cf:%s}:" % name
        return cls(
            cache=b"cf:%s:c:" % name,
            head=tag + b"head",
            records=tag + b"records",
            order=tag + b"order",
            log=tag + b"log",
            done=tag + b"done:",
        )

    def entry(self, key: str) -> bytes:
        """The Redis key of a cache entry."""
        return self.cache + encoded(key)

    def key(self, entry: bytes) -> str:
        """The key of a cache entry's Redis key."""
        return decoded(entry[len(self.cache) :])

    def pattern(self, prefix: str) -> bytes:
        """What SCAN matches the cache entries below a prefix with."""
        return self.cache + _WILDCARDS.sub(rb"\\\g<0>", encoded(prefix)) + b"*"
