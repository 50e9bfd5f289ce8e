"""One flight over processes: of all that miss a key in one store, one process calls the model.

After the leases of memcache at Facebook (NSDI 2013). The ticket that leads in its process asks the
store for a lease before it calls. The rules:

* Whoever gets the lease reads once more before it calls: another may have answered just before.
* Whoever does not get it looks for the answer, and for the lease. An answer is written before its
  lease is removed, so a lease that is gone without one means a call that failed: the next takes
  over. A killed holder's lease goes by itself.
* Nobody waits for one holder longer than its own lease would last: then it ends the other's lease,
  and one of those who wait takes over. Nobody waits longer than two leases from the beginning of
  its lookup: then it goes alone, with its followers behind it. A fault of the store ends the
  waiting at once.
* A caller that is given a stale answer while somebody refreshes it does not wait.
* A caller never waits for itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time

from cache_fabric.config import FabricConfig
from cache_fabric.exact_tier import ANSWERS, ExactTier
from cache_fabric.freshness import is_within
from cache_fabric.leases import LEASES, Leases, is_own
from cache_fabric.part import Degraded, Part
from cache_fabric.single_flight import SingleFlight
from cache_fabric.stores.base import Store
from cache_fabric.types import CacheEntry, Hit, Miss, Ticket

__all__ = ["SharedFlight"]

_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 0.1
_LAG = 0.25  # share of the time waited so far that an answer may be noticed late


class SharedFlight:
    """The flights of all processes on one store.

    Args:
        flights: Those of this process.
        leases: Those that this process takes.
        exact: Reads the answers that come.
        store: The store behind its part.
        records: The same store, for the calls.
        config: Budgets, and whether to do any of this.
    """

    def __init__(
        self,
        flights: SingleFlight,
        leases: Leases,
        exact: ExactTier,
        store: Part,
        records: Store,
        config: FabricConfig,
    ) -> None:
        self._flights = flights
        self._leases = leases
        self._exact = exact
        self._store = store
        self._records = records
        self._config = config
        self._on = config.share_flights and records.shared

    async def join(self, miss: Miss) -> Hit | Miss:
        """Return what another process answers, or the miss, for its ticket to call the model."""
        ticket = miss.ticket
        if not self._on or miss.degraded == self._store.name or not self._flights.lead(ticket):
            return miss
        try:
            with self._flights.waiting(ticket):
                return await self._found(ticket) or miss
        except Degraded as fault:
            return dataclasses.replace(miss, degraded=miss.degraded or fault.part)

    async def _found(self, ticket: Ticket) -> Hit | None:
        """Return the answer of another process; ``None`` once this ticket is to call the model."""
        seconds = self._flights.lease_seconds(ticket.request.model)
        begun, last = time.monotonic(), ticket.started + 2 * seconds
        holder, patient_until = None, last
        while holder is not None or not await self._leases.take(ticket, seconds):
            token, entry = await self._look(ticket)
            if entry is not None:
                return self._hit(entry)
            stale = self._stale_of(ticket)
            if token is not None and stale is not None:
                return stale
            now = time.monotonic()
            if now >= last or ticket.closed or (token is not None and is_own(token, ticket)):
                return None
            if token != holder:
                holder, patient_until = token, now + seconds
            if holder is not None and now >= patient_until:
                await self._leases.end(ticket.keys.exact, holder)
                holder = None
            if holder is not None:
                await asyncio.sleep(min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, _LAG * (now - begun))))
        return await self._found_after_all(ticket)

    async def _found_after_all(self, ticket: Ticket) -> Hit | None:
        """Return what was answered before the lease was taken, and give the lease up."""
        _, entry = await self._look(ticket)
        if entry is None:
            return None
        self._leases.release(ticket)
        return self._hit(entry)

    async def _look(self, ticket: Ticket) -> tuple[bytes | None, CacheEntry | None]:
        """Return the token of the lease and the fresh answer, as far as they are there."""
        exact = ticket.keys.exact
        # In this order: where keys are read one by one, a lease that is gone was outlived by its
        # answer.
        token, data = await self._store.attempt(
            lambda: self._records.get_many([LEASES + exact, ANSWERS + exact]),
            self._config.exact_timeout,
        )
        return token, self._exact.take_in(data, ticket.keys)

    def _stale_of(self, ticket: Ticket) -> Hit | None:
        entry, window = ticket.stale, self._config.stale_while_revalidate
        if entry is None or not is_within(entry, window, time.time()):
            return None
        return Hit(entry=entry, tier="exact", reason="stale while it is refreshed", stale=True)

    def _hit(self, entry: CacheEntry) -> Hit:
        if entry.latency is not None:
            self._flights.observe(entry.model, entry.latency)
        return Hit(entry=entry, tier="flight", reason="same request, answered in another process")
