"""The sums of this process in the store, where they add up with those of the others.

A process writes what it has measured behind, some seconds after the first event that is not written
yet and when it closes: in all, and by minute and hour for a day. What is written replaces what it
wrote before, so a write may be tried again. Killed, it loses the last seconds. Lives on the home
loop.

Minutes and hours are dropped after a day and never folded, so they keep one id of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable

from cache_fabric import codec
from cache_fabric.background import in_background
from cache_fabric.errors import FabricClosedError
from cache_fabric.folded_sums import A_TURN, DEAD, KINDS, SUMS, Folded, FoldedSums
from cache_fabric.instrumentation.metrics import HOUR, MINUTE, Metrics
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.part import Part
from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Document, Query

__all__ = ["KeptSums"]

_EVERY = 5.0  # seconds between an event and the write of it
_TIDY_EVERY = 600.0
_A_PUT = 500
_log = logging.getLogger("cache_fabric")


class KeptSums:
    """Writes the sums of one process, and adds them up with those of the others.

    Args:
        metrics: The sums of this process.
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates what is kept.
        post: Calls a function on the home loop, from any thread.
        clock: Seconds since the epoch.
        every: Seconds between an event and the write of it.
    """

    def __init__(
        self,
        metrics: Metrics,
        store: Part,
        records: Store,
        secret: bytes,
        post: Callable[[Callable[[], None]], None],
        *,
        clock: Callable[[], float] = time.time,
        every: float = _EVERY,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._documents = records.documents
        self._secret = secret
        self._post = post
        self._clock = clock
        self._every = every
        self._kept = FoldedSums(store, records, secret)
        self._turn = asyncio.Lock()
        self._id = _new_id()
        self._process = self._id
        self._base = Totals()  # what earlier ids of this process have written
        self._acknowledged = Totals()
        self._written: float | None = None
        self._first = dict.fromkeys(KINDS, 0)  # number of the first span that is to be written
        self._tidied = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closed = False
        metrics.stirred = self._stir
        metrics.calm()

    async def write(self, *, closed: bool = False) -> None:
        """Write what was measured so far; raises `BackendError`."""
        async with self._turn:
            self._metrics.calm()  # an event from here on asks for another write
            now = self._clock()
            await self._renew_if_forgotten(now)
            total = self._metrics.totals()
            if not total.plain():
                return
            spans = {each: self._metrics.spans(each, self._first[each]) for each in KINDS}
            sums = {"sums": self._mine(total).plain(), "at": now, "closed": closed}
            await self._put(SUMS, [self._document(self._id, now, sums)])
            self._acknowledged, self._written = total, now
            for seconds, kind in KINDS.items():
                await self._put(
                    kind,
                    [
                        self._document(f"{number}.{self._process}", number * seconds, packed)
                        for number, packed in spans[seconds].items()
                    ],
                )
                self._first[seconds] = max(spans[seconds], default=self._first[seconds])
        if not closed and now >= self._tidied + _TIDY_EVERY:
            self._tidied = now
            await self._kept.tidy(now, self._id)

    async def total(self) -> Totals:
        """Return the sums over all processes; raises `BackendError`."""
        async with self._turn:  # who only reads would find itself among the ended ones, too
            await self._renew_if_forgotten(self._clock())
        ended, processes = await self._read()
        total = self._mine(self._metrics.totals())
        others = (sums for name, sums in processes.items() if name != self._id)
        return await _summed(total, [ended, *others])

    async def written(self) -> Totals:
        """Return what all processes have written; raises `BackendError`.

        For a counter that is scraped: without the seconds that are not written yet, which a killed
        process loses, so that it does not go down.
        """
        total, processes = await self._read()
        # In one order: of too many models, those that come first are named.
        return await _summed(total, [processes[name] for name in sorted(processes)])

    async def since(self, first: int) -> Totals:
        """Return the sums over all processes from a minute on; raises `BackendError`."""
        total = self.own_since(first)
        for seconds, query in _parts(first):
            async for _, sums in self._of_others(seconds, query):
                total.add(sums)
        return total

    async def series(self, seconds: int, first: int) -> dict[int, Totals]:
        """Return the sums over all processes of each minute or hour; raises `BackendError`.

        Args:
            seconds: Of a span.
            first: Number of the first one.
        """
        spans = self.own_series(seconds, first)
        async for number, sums in self._of_others(seconds, Query(since=first * seconds)):
            spans.setdefault(number, Totals()).add(sums)
        return spans

    def own_since(self, first: int) -> Totals:
        """Return what this process alone measured from a minute on."""
        total = Totals()
        for packed in self._metrics.spans(MINUTE, first).values():
            total.add(Totals.unpacked(packed))
        return total

    def own_series(self, seconds: int, first: int) -> dict[int, Totals]:
        """As `series`, of this process alone."""
        packed = self._metrics.spans(seconds, first)
        return {number: Totals.unpacked(data) for number, data in packed.items()}

    async def _of_others(self, seconds: int, query: Query) -> AsyncIterator[tuple[int, Totals]]:
        """Yield number and sums of what other processes wrote of their minutes or hours."""
        async for key, value in self._kept.pages(KINDS[seconds], query):
            number, _, process = key.partition(".")
            if process == self._process:
                continue
            if (sums := self._kept.span(key, value)) is not None:
                yield int(number), sums

    def mark(self, tenant: str) -> str:
        """Return what stands for a tenant in a note that names nobody."""
        return hmac.digest(self._secret, b"tenant\0" + tenant.encode(), "sha256").hex()[:32]

    async def forget(self, mark: str) -> None:
        """Take a tenant's name out of what this process counts and has written."""
        known = await asyncio.to_thread(self._metrics.tenants)
        names = {name for name in known if self.mark(name) == mark}
        if names:
            await asyncio.to_thread(self._metrics.forget_tenants, names)
            for totals in (self._base, self._acknowledged):
                totals.shares.forget("tenant", names)
            self._first = dict.fromkeys(KINDS, 0)
            await self.write()

    async def erase(self, tenant: str) -> int:
        """Take a tenant's name out of all that is kept; what it had is ``(other)``'s from then on.

        Returns in how many places it was. Processes that run have to `forget` it as well.
        """
        await self.forget(self.mark(tenant))
        erased = 0
        for name, process in (await self._kept.processes()).items():
            if name != self._id and process.sums.shares.forget("tenant", [tenant]):
                plain = {"sums": process.sums.plain(), "at": process.at, "closed": process.closed}
                await self._put(SUMS, [self._document(name, process.at, plain)])
                erased += 1
        for seconds, kind in KINDS.items():
            async for key, value in self._kept.pages(kind, Query()):
                number, _, name = key.partition(".")
                sums = None if name == self._process else self._kept.span(key, value)
                if sums is not None and sums.shares.forget("tenant", [tenant]):
                    at = int(number) * seconds
                    await self._put(kind, [self._document(key, at, sums.packed())])
                    erased += 1
        folded = await self._kept.read()
        if folded.sums.shares.forget("tenant", [tenant]):
            await self._kept.write(Folded(folded.sums, folded.ids, folded.revision))
            erased += 1
        return erased

    async def close(self) -> None:
        """Write the last sums; raises `BackendError`."""
        self.stop()
        await self.write(closed=True)

    def stop(self) -> None:
        """Write no more by itself; idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    async def _read(self) -> tuple[Totals, dict[str, Totals]]:
        """Return the sums of processes that are folded, and those of each other one."""
        processes = await self._kept.processes()
        folded = await self._kept.read()  # after the documents: see there
        unfolded = {name: each.sums for name, each in processes.items() if name not in folded.ids}
        return folded.sums, unfolded

    def _mine(self, total: Totals) -> Totals:
        """Take off what earlier ids of this process have written."""
        if self._base.plain():
            total.add(self._base, sign=-1)
        return total

    async def _renew_if_forgotten(self, now: float) -> None:
        """Go on under another id before others can take this process for dead."""
        if self._written is None or now - self._written < DEAD / 2:
            return
        [found] = await self._store.demand(lambda: self._documents.get(SUMS, [self._id]))
        if found is None:
            self._base = self._acknowledged
        else:  # what stands there may be of a write that was not acknowledged
            self._base.add(Totals.of(codec.unpack(found, self._secret)["sums"]))
        self._id = _new_id()
        self._written = None

    async def _put(self, kind: str, documents: list[Document]) -> None:
        for start in range(0, len(documents), _A_PUT):
            some = documents[start : start + _A_PUT]
            await self._store.demand(lambda: self._documents.put(kind, some))  # noqa: B023

    def _document(self, key: str, at: float, plain: object) -> Document:
        return Document(key=key, value=codec.pack(plain, self._secret), at=at)

    def _stir(self) -> None:
        if not self._closed:
            with contextlib.suppress(FabricClosedError):
                self._post(self._wait)

    def _wait(self) -> None:
        is_busy = self._timer is not None or self._closed
        if not is_busy:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if not self._closed:
            self._writing = in_background(self._write_quietly())

    async def _write_quietly(self) -> None:
        try:
            await self.write()
        except Exception as error:  # noqa: BLE001 - tried again, and nobody waits for it
            _log.warning("the sums could not be written: %s", type(error).__name__)
            self._wait()


async def _summed(total: Totals, others: list[Totals]) -> Totals:
    """Return the sums with those of others."""
    for number, sums in enumerate(others, 1):
        total.add(sums)
        if number % A_TURN == 0:
            await asyncio.sleep(0)
    return total


def _parts(first: int) -> list[tuple[int, Query]]:
    """Minutes up to the first full hour, and hours from there on."""
    since = first * MINUTE
    full = -(-since // HOUR) * HOUR
    return [(MINUTE, Query(since=since, until=full)), (HOUR, Query(since=full))]


def _new_id() -> str:
    return secrets.token_hex(8)
