"""Finding documents: one sorted set is walked from the newest down, the rest is asked of each.

The set that is walked is the smallest of those that the query names. What must also hold is asked
of some hundred members at once (``ZMSCORE``); words are read in the text itself, last, of what is
left. So a step costs the server a few milliseconds however the query is made, and a search that
finds little ends after so many steps with a short page and a cursor.

A number is no order of time: its set is used only where few have such a number, and these are
then sorted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from cache_fabric.stores._document_cursor import Place
from cache_fabric.stores._redis_document_scripts import GIVEN, WALK
from cache_fabric.stores._redis_entries import pipelined
from cache_fabric.stores._redis_keys import KindLayout, Layout, decoded, encoded
from cache_fabric.stores._redis_links import Link
from cache_fabric.stores.documents import Query, words

__all__ = ["Search", "Step"]

_LOOKED_AT_A_STEP = 500
"""About three milliseconds of the server when the words of each are read."""

_FEW = 500
"""How many documents may have a number for its set to be used."""

Step = tuple[Any, Place | None]
"""What matched, and where to go on if there is more."""


class Search:
    """One query, step by step.

    Args:
        layout: Where the blobs are.
        kind: Where the documents are.
        query: What they must have.
        link: To the server.
        operation: For messages.
    """

    def __init__(
        self, layout: Layout, kind: KindLayout, query: Query, link: Link, operation: str
    ) -> None:
        self._bodies = [kind.values, kind.words, layout.blob_words]
        self._time = kind.time
        self._terms = [kind.term(*term) for term in sorted(query.terms)] or [kind.time]
        self._numbers: dict[bytes, tuple[Any, Any]] = {
            kind.number(field): (query.least.get(field, -math.inf), query.most.get(field, math.inf))
            for field in sorted(query.least.keys() | query.most.keys())
        }
        self._words = [f" {word} ".encode() for word in words(query.text)]
        self._is_one_set = len(self._terms) == 1 and not self._numbers and not self._words
        self._since, self._until = query.since, query.until
        self._call: Callable[[Any], Any] = partial(link.call, operation)
        self._pipelined = partial(pipelined, link, operation)
        self._walked: bytes | None = None
        self._few: list[Place] | None = None

    async def begin(self) -> int | None:
        """Choose what to look at; returns how many match where that is known without looking."""
        until = "+inf" if self._until is None else f"({self._until!r}"
        bounds = {term: (self._oldest, until) for term in self._terms} | self._numbers
        counts = await self._pipelined([("ZCOUNT", key, *pair) for key, pair in bounds.items()])
        sizes = dict(zip(bounds, counts, strict=True))
        self._walked = min(self._terms, key=sizes.__getitem__)
        rarest = min(self._numbers, key=sizes.__getitem__, default=None)
        if min(sizes.values()) == 0:
            return 0
        if rarest is not None and sizes[rarest] <= min(_FEW, sizes[self._walked]):
            self._few = await self._of_number(rarest)
        return sizes[self._walked] if self._is_one_set else None

    async def step(self, after: Place | None, wanted: int | None) -> Step:
        """Look at the next documents; ``wanted=None`` counts what matches.

        The first of the pair is keys and values, or their number.
        """
        place, found, *values = await (
            self._walk(after, wanted) if self._few is None else self._take(self._few, after, wanted)
        )
        if values:
            found = list(zip(map(decoded, found), *values, strict=True))
        return found, _place(*place) if place else None

    async def _walk(self, after: Place | None, wanted: int | None) -> Any:
        assert self._walked is not None
        keys, arguments = self._asked([term for term in self._terms if term != self._walked])
        most = _LOOKED_AT_A_STEP
        if self._is_one_set and wanted is not None:
            most = min(most, wanted)
        limits = (self._oldest, *self._seen(after), most, _or_blank(wanted))
        return await self._call(
            lambda client: WALK.run(
                client, [*keys, self._walked, self._time], [*arguments, *limits]
            )
        )

    async def _take(self, few: list[Place], after: Place | None, wanted: int | None) -> Any:
        members = [encoded(key) for at, key in few if after is None or (at, key) < after]
        keys, arguments = self._asked(self._terms)
        return await self._call(
            lambda client: GIVEN.run(
                client, [*keys, self._time], [*arguments, _or_blank(wanted), *members]
            )
        )

    async def _of_number(self, number: bytes) -> list[Place]:
        least, most = self._numbers[number]
        (members,) = await self._pipelined([("ZRANGEBYSCORE", number, least, most)])
        if not members:
            return []
        (times,) = await self._pipelined([("ZMSCORE", self._time, *members)])
        places = (
            (float(at), decoded(key))
            for at, key in zip(times, members, strict=True)
            if at is not None and self._is_in_time(float(at))
        )
        return sorted(places, reverse=True)

    def _asked(self, terms: list[bytes]) -> tuple[list[bytes], list[Any]]:
        """The keys and the arguments that both scripts begin with."""
        bounds = [bound for pair in self._numbers.values() for bound in pair]
        counts = (len(terms), len(self._numbers), len(self._words))
        return [*self._bodies, *terms, *self._numbers], [*counts, *bounds, *self._words]

    def _seen(self, after: Place | None) -> tuple[Any, Any, bytes]:
        """What is newer than the rest of the walk, and the time and key at the edge of it."""
        if after is not None and (self._until is None or after[0] < self._until):
            return f"({after[0]!r}", after[0], encoded(after[1])
        return _or_blank(self._until), "", b""

    @property
    def _oldest(self) -> Any:
        return "-inf" if self._since is None else self._since

    def _is_in_time(self, at: float) -> bool:
        return (self._since is None or at >= self._since) and (
            self._until is None or at < self._until
        )


def _or_blank(value: float | None) -> Any:
    return "" if value is None else value


def _place(key: bytes, at: bytes) -> Place:
    return float(at), decoded(key)
