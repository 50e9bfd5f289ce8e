"""One flight: of many identical requests one calls the model, the others wait for its answer.

After Go's ``singleflight`` and the leases of memcache at Facebook (NSDI 2013). Lives on the home
loop, so it needs no lock. The rules:

* A ticket is made by the caller; leadership is granted to open tickets only, and a caller that
  leaves closes its ticket and sends a release, which is idempotent. So no cancel, at whatever
  moment, leaves a lease behind.
* A released or expired lease goes to the next open waiter.
* LangChain's ``BaseCache`` never hears that a model call failed, so a lease has a deadline: three
  times the slowest of the model's last calls, at least half a second, at most half the cap, and
  half the cap while nothing is known of the model. Waiters wait for at most two leases, then go
  alone.
* A caller never waits for itself (``generate(["a", "a"])`` looks up twice before it calls).
* A leader may wait for another process (`shared_flight`); its own lease runs from then on.
"""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cache_fabric.types import Ticket

__all__ = ["Role", "SingleFlight", "caller"]

_SHORTEST_LEASE = 0.5
_REMEMBERED_CALLS = 32
_REMEMBERED_MODELS = 1_000
_REMEMBERED_LATE = 1_000


class Role(enum.Enum):
    """What a claim makes of a ticket that got no answer."""

    LEADER = "leader"
    ALONE = "alone"


@dataclass(slots=True)
class _Flight:
    leader: Ticket
    lease: asyncio.TimerHandle
    waiters: deque[tuple[Ticket, asyncio.Future[bytes | Role]]] = field(default_factory=deque)
    joined: set[asyncio.Future[bytes | None]] = field(default_factory=set)


class SingleFlight:
    """The flights of one fabric.

    Args:
        cap: Most seconds that a caller waits for another one.
    """

    def __init__(self, cap: float) -> None:
        self._cap = cap
        self._flights: dict[str, _Flight] = {}
        self._late: OrderedDict[str, Ticket] = OrderedDict()
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    async def claim(self, ticket: Ticket) -> bytes | Role:
        """Return the envelope of the leader's answer, or what the ticket has to do without one."""
        if ticket.closed:
            return Role.ALONE
        if self.lead(ticket):
            return Role.LEADER
        flight = self._flights[ticket.keys.exact]
        if flight.leader.caller == ticket.caller:
            return Role.ALONE
        return await self._wait(flight, ticket)

    def lead(self, ticket: Ticket) -> bool:
        """Take the lease if nobody holds it; returns whether this ticket does."""
        if ticket.closed:
            return False
        exact = ticket.keys.exact
        if exact not in self._flights:
            self._flights[exact] = _Flight(ticket, self._start_lease(ticket))
        return self._flights[exact].leader is ticket

    @contextmanager
    def waiting(self, leader: Ticket) -> Iterator[None]:
        """Stop the clock of a lease while its holder waits itself; it then starts anew."""
        flight = self._flights[leader.keys.exact]
        flight.lease.cancel()
        try:
            yield
        finally:
            if self._flights.get(leader.keys.exact) is flight and flight.leader is leader:
                flight.lease = self._start_lease(leader)

    async def follow(self, exact: str, seconds: float) -> bytes | None:
        """Return the envelope that another key's leader hands in, ``None`` if it gives none."""
        flight = self._flights.get(exact)
        if flight is None:
            return None
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        flight.joined.add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            flight.joined.discard(future)
        return future.result() if future.done() else None

    def calling(self, partition: str) -> list[Ticket]:
        """Return the leaders of a partition that are with the model now."""
        return [t for t in self.leaders() if t.calls and t.keys.partition == partition]

    def leaders(self) -> list[Ticket]:
        """Return the tickets whose leases run."""
        return [flight.leader for flight in self._flights.values()]

    def settle(self, exact: str, answer: bytes) -> None:
        """Hand the envelope to everybody who waits for this key."""
        self._late.pop(exact, None)
        flight = self._flights.pop(exact, None)
        if flight is None:
            return
        flight.lease.cancel()
        for _, future in flight.waiters:
            if not future.done():
                future.set_result(answer)
        _free(flight, answer)

    def release(self, ticket: Ticket) -> None:
        """Give the lease up, if this ticket holds one; the next open waiter gets it."""
        ticket.closed = True
        self._late.pop(ticket.keys.exact, None)
        flight = self._flights.get(ticket.keys.exact)
        if flight is not None and flight.leader is ticket:
            flight.lease.cancel()
            self._promote(ticket.keys.exact, flight)

    def leader(self, exact: str) -> Ticket | None:
        """Return the ticket that answers this key; a plain read, safe from any thread."""
        flight = self._flights.get(exact)
        return flight.leader if flight is not None else self._late.get(exact)

    def is_awaited(self, exact: str) -> bool:
        """Return whether anybody waits for this key."""
        flight = self._flights.get(exact)
        return flight is not None and bool(flight.waiters or flight.joined)

    def observe(self, model: str, seconds: float) -> None:
        """Learn what a call of this model takes."""
        calls = self._calls.setdefault(model, deque(maxlen=_REMEMBERED_CALLS))
        calls.append(seconds)
        self._calls.move_to_end(model)
        if len(self._calls) > _REMEMBERED_MODELS:
            self._calls.popitem(last=False)

    def lease_seconds(self, model: str) -> float:
        """Return how long a leader of this model may keep the others waiting."""
        calls = self._calls.get(model)
        most = self._cap / 2
        return min(most, max(_SHORTEST_LEASE, 3 * max(calls))) if calls else most

    def __len__(self) -> int:
        return len(self._flights)

    async def _wait(self, flight: _Flight, ticket: Ticket) -> bytes | Role:
        future: asyncio.Future[bytes | Role] = asyncio.get_running_loop().create_future()
        flight.waiters.append((ticket, future))
        try:
            await asyncio.wait([future], timeout=2 * self.lease_seconds(ticket.request.model))
        except asyncio.CancelledError:
            if future.done() and future.result() is Role.LEADER:
                self.release(ticket)
            future.cancel()
            raise
        if future.done():
            return future.result()
        future.cancel()
        return Role.ALONE

    def _start_lease(self, ticket: Ticket) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(
            self.lease_seconds(ticket.request.model), self._expire, ticket
        )

    def _expire(self, ticket: Ticket) -> None:
        flight = self._flights.get(ticket.keys.exact)
        if flight is None or flight.leader is not ticket:
            return
        self._promote(ticket.keys.exact, flight)
        if ticket.keys.exact not in self._flights:
            # The call may still end well; its latency is measured from this ticket.
            self._late[ticket.keys.exact] = ticket
            if len(self._late) > _REMEMBERED_LATE:
                self._late.popitem(last=False)

    def _promote(self, exact: str, flight: _Flight) -> None:
        _free(flight, None)
        while flight.waiters:
            ticket, future = flight.waiters.popleft()
            if not ticket.closed and not future.done():
                flight.leader = ticket
                flight.lease = self._start_lease(ticket)
                future.set_result(Role.LEADER)
                return
        del self._flights[exact]


def _free(flight: _Flight, answer: bytes | None) -> None:
    for future in flight.joined:
        if not future.done():
            future.set_result(answer)


def caller() -> tuple[int, int]:
    """Return the thread and the task that run here: who asks, and must not wait for itself."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), 0 if task is None else id(task)
