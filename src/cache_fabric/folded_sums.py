"""The sums of processes that have ended, added up in one record.

Each process keeps its sums in a document of its own. That of a process which has ended joins the
record, and its id is noted there, in one step; only then the document is deleted. Whoever reads the
documents first and the record after them, and skips the documents whose id is noted, counts each
process once, whatever was half done. Lives on the home loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from cache_fabric import codec
from cache_fabric.errors import CodecError
from cache_fabric.instrumentation.metrics import HOUR, MINUTE, SPANS
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.part import Part
from cache_fabric.stores.base import CommitConflict, Store, Write
from cache_fabric.stores.documents import Query

__all__ = ["A_TURN", "DEAD", "KINDS", "SUMS", "Folded", "FoldedSums", "OfProcess"]

SUMS = "m"
"""Kind of the documents that hold the sums of a process."""

KINDS = {MINUTE: "n", HOUR: "o"}
"""Kinds of those that hold its sums of one minute or hour."""

DEAD = 3600.0
"""Seconds without a word after which a process has ended."""

A_TURN = 5
"""Sums that are read or added before lookups get their turn: each takes up to a millisecond."""

_FEWEST = 8
_MOST = 500
_NOTED = 2000
_PAGE = 200
_RECORD = "m/ended"
_log = logging.getLogger("cache_fabric")


@dataclass(frozen=True, slots=True)
class OfProcess:
    """The sums of one process as it wrote them last, at a time, and whether it has ended."""

    sums: Totals
    at: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Folded:
    """The record: sums, and the ids of the processes that are in them, oldest first."""

    sums: Totals = field(default_factory=Totals)
    ids: tuple[str, ...] = ()
    revision: int = 0


class FoldedSums:
    """The record and the documents of one namespace.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
    """

    def __init__(self, store: Part, records: Store, secret: bytes) -> None:
        self._store = store
        self._records = records
        self._documents = records.documents
        self._secret = secret

    async def read(self) -> Folded:
        """Return the record; raises `BackendError`."""
        [found] = await self._store.demand(lambda: self._records.read([_RECORD]))
        if found is None:
            return Folded()
        plain = codec.unpack(found.value, self._secret)
        return Folded(Totals.of(plain["sums"]), tuple(plain["ids"]), found.revision)

    async def write(self, folded: Folded) -> None:
        """Replace the record; raises `CommitConflict` if somebody else has, or `BackendError`."""
        plain = {"sums": folded.sums.plain(), "ids": folded.ids[-_NOTED:]}
        write = Write(_RECORD, codec.pack(plain, self._secret))
        note, expect = codec.pack({"items": []}, self._secret), {_RECORD: folded.revision}
        await self._store.demand(lambda: self._records.commit([write], note=note, expect=expect))

    async def processes(self) -> dict[str, OfProcess]:
        """Return what each process wrote, by its id; raises `BackendError`."""
        found = {}
        async for key, value in self.pages(SUMS, Query()):
            plain = self._plain(key, value)
            if plain is not None:
                found[key] = OfProcess(Totals.of(plain["sums"]), plain["at"], plain["closed"])
        return found

    async def pages(self, kind: str, query: Query) -> AsyncIterator[tuple[str, bytes]]:
        """Yield keys and values of documents, and let lookups take turns; raises `BackendError`."""
        after: str | None = None
        while True:
            place = after
            found = await self._store.demand(
                lambda: self._documents.find(kind, query, after=place, limit=_PAGE)  # noqa: B023
            )
            for number, item in enumerate(found.items, 1):
                yield item
                if number % A_TURN == 0:
                    await asyncio.sleep(0)
            if (after := found.cursor) is None:
                return

    def span(self, key: str, value: bytes) -> Totals | None:
        """Return the sums of a minute or hour, ``None`` if they cannot be read."""
        plain = self._plain(key, value)
        return None if plain is None else Totals.unpacked(plain)

    async def tidy(self, now: float, alive: str) -> None:
        """Fold the sums of processes that have ended, and drop spans of more than a day ago.

        Raises `BackendError`.
        """
        processes = await self.processes()
        folded = await self.read()
        noted = set(folded.ids)
        ended = [
            name
            for name, process in processes.items()
            if name not in noted and name != alive and (process.closed or process.at < now - DEAD)
        ][:_MOST]
        gone = [name for name in processes if name in noted]
        if len(ended) >= _FEWEST:
            for name in ended:
                folded.sums.add(processes[name].sums)
            try:
                await self.write(Folded(folded.sums, (*folded.ids, *ended), folded.revision))
            except CommitConflict:
                return  # somebody else is at it
            gone += ended
        if gone:
            await self._store.demand(lambda: self._documents.delete(SUMS, gone))
        for seconds, kind in KINDS.items():
            await self._drop(kind, now - (SPANS[seconds] + 1) * seconds)

    async def _drop(self, kind: str, until: float) -> None:
        query = Query(until=until)
        while True:
            found = await self._store.demand(lambda: self._documents.find(kind, query, limit=_PAGE))
            keys = [key for key, _ in found.items]
            if keys:
                await self._store.demand(lambda: self._documents.delete(kind, keys))  # noqa: B023
            if not keys and found.cursor is None:
                return

    def _plain(self, key: str, value: bytes) -> Any:
        try:
            return codec.unpack(value, self._secret)
        except CodecError as error:
            _log.warning("the sums %s are left out: %s", key, error)
            return None
