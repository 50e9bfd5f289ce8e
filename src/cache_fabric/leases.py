"""Leases in the store: who of all processes is with the model for a key.

A lease is a key of the store that its holder alone can add and remove, and that goes by itself when
its time is over, so a process that is killed holds nothing for long. It is given up in the
background: nobody waits for that.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from cache_fabric.config import FabricConfig
from cache_fabric.part import Degraded, Part
from cache_fabric.stores.base import Store
from cache_fabric.types import Ticket

__all__ = ["LEASES", "Leases", "is_own"]

LEASES = "l/"
_PATIENCE = 10.0  # seconds for a removal, which no model call waits for


class Leases:
    """The leases that tickets of this process take. Lives on the home loop.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        config: The budget of taking one.
    """

    def __init__(self, store: Part, records: Store, config: FabricConfig) -> None:
        # With a breaker of its own: a store that is too slow to write can still be read.
        self._taking = Part("lease", store.open, open_timeout=config.open_timeout)
        self._store = store
        self._records = records
        self._seconds = config.exact_timeout
        self._removals: set[asyncio.Task[None]] = set()

    async def take(self, ticket: Ticket, seconds: float) -> bool:
        """Return whether the ticket now holds the lease of its key; raises `Degraded`."""
        key, token = ticket.keys.exact, _mark(ticket) + secrets.token_bytes(8)
        # Said before it is asked for: a caller that leaves meanwhile gives it up.
        ticket.lease = token
        try:
            add = partial(self._records.add, LEASES + key, token, seconds)
            taken = await self._taking.attempt(add, self._seconds)
        except Degraded:
            self.release(ticket)  # it may have been taken all the same
            raise
        if taken and ticket.closed:
            self.give_up([(key, token)])
        if not taken or ticket.closed:
            ticket.lease = None
        return taken

    async def end(self, key: str, token: bytes) -> None:
        """End a lease of another process that has held it too long; raises `Degraded`."""
        await self._store.attempt(
            partial(self._records.remove_if, LEASES + key, token), self._seconds
        )

    def release(self, ticket: Ticket) -> None:
        """Give up what the ticket holds; idempotent."""
        if ticket.lease is not None:
            self.give_up([(ticket.keys.exact, ticket.lease)])
            ticket.lease = None

    def give_up(self, held: Sequence[tuple[str, bytes]]) -> None:
        """Remove leases, by exact key and token, unless somebody else holds them by now."""
        if held:
            removal = asyncio.get_running_loop().create_task(self._remove(held))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    async def flush(self) -> None:
        """Wait until all that was given up so far is gone."""
        while self._removals:
            await asyncio.wait(self._removals)

    async def _remove(self, held: Sequence[tuple[str, bytes]]) -> None:
        with suppress(Degraded):  # they go by themselves
            for key, token in held:
                remove = partial(self._records.remove_if, LEASES + key, token)
                await self._store.attempt(remove, _PATIENCE)


def is_own(token: bytes, ticket: Ticket) -> bool:
    """Return whether the ticket's caller holds this lease, through another fabric perhaps."""
    return token.startswith(_mark(ticket))


def _mark(ticket: Ticket) -> bytes:
    # Processes of two machines may share a mark; then one goes to the model without waiting.
    return b"%d/%d/%d/" % (os.getpid(), *ticket.caller)
