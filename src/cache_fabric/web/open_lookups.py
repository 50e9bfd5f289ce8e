"""Lookups whose callers are with their models: a ticket cannot travel, so its name does."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import OrderedDict

from cache_fabric.errors import NotFound
from cache_fabric.fabric import CacheFabric
from cache_fabric.types import CacheRequest, LookupResult, Miss, Ticket

__all__ = ["OpenLookups"]

_MOST = 10_000
_LONGEST_CALL = 3600.0
"""Seconds until the ticket of a caller who never came back is forgotten. Nobody waits so long: a
lease has a deadline of its own."""


class OpenLookups:
    """The tickets of one application, by names that cannot be guessed."""

    def __init__(self, fabric: CacheFabric) -> None:
        self._fabric = fabric
        self._numbers = itertools.count(1)
        self._tickets: OrderedDict[str, tuple[float, Ticket]] = OrderedDict()

    async def lookup(self, request: CacheRequest) -> tuple[LookupResult, str | None]:
        """Look up, and return the name of the ticket where it was a miss."""
        begun = await self._fabric.begin(request)
        if not isinstance(begun, Ticket):
            return begun, None
        # Every request is a caller of its own, though its task has another one's place in memory.
        begun.caller = (threading.get_ident(), -next(self._numbers))
        result = await self._fabric.lookup(begun)
        if not isinstance(result, Miss):
            return result, None
        name = secrets.token_urlsafe(16)
        self._tickets[name] = (time.monotonic(), result.ticket)
        await self._forget()
        return result, name

    def take(self, name: str) -> Ticket:
        """Return a ticket, once; raises `NotFound`."""
        found = self._tickets.pop(name, None)
        if found is None:
            raise NotFound("no such ticket: it was used, or is too old; look up again")
        return found[1]

    async def _forget(self) -> None:
        oldest = time.monotonic() - _LONGEST_CALL
        while self._tickets:
            name, (begun, ticket) = next(iter(self._tickets.items()))
            if begun > oldest and len(self._tickets) <= _MOST:
                return
            del self._tickets[name]
            await self._fabric.release(ticket)
