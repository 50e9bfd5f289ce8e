"""One leader a key; followers get its answer; no lease outlives its holder."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from cache_fabric.single_flight import Role, SingleFlight
from cache_fabric.types import CacheRequest, KeySet, Ticket

callers = itertools.count(1)


def ticket(key: str = "k", caller: tuple[int, int] | None = None) -> Ticket:
    request = CacheRequest(model="m", messages=[])
    return Ticket(KeySet("p", key, None), request, caller or (1, next(callers)))


async def waiting(flights: SingleFlight, waiter: Ticket) -> asyncio.Task[bytes | Role]:
    """Start a claim and return once it waits."""
    task = asyncio.create_task(flights.claim(waiter))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_followers_get_the_leaders_answer() -> None:
    flights = SingleFlight(cap=30)
    leader = ticket()
    assert await flights.claim(leader) is Role.LEADER
    followers = [await waiting(flights, ticket()) for _ in range(3)]
    flights.settle("k", b"answer")
    assert await asyncio.gather(*followers) == [b"answer"] * 3
    assert len(flights) == 0


async def test_a_flight_is_awaited_only_while_somebody_waits() -> None:
    flights = SingleFlight(cap=30)
    await flights.claim(ticket())
    assert not flights.is_awaited("k")
    follower = await waiting(flights, ticket())
    assert flights.is_awaited("k")
    flights.settle("k", b"answer")
    await follower
    assert not flights.is_awaited("k")


async def test_another_key_is_another_flight() -> None:
    flights = SingleFlight(cap=30)
    assert await flights.claim(ticket("a")) is Role.LEADER
    assert await flights.claim(ticket("b")) is Role.LEADER


async def test_a_released_lease_goes_to_the_next_open_waiter() -> None:
    flights = SingleFlight(cap=30)
    leader, left, follower = ticket(), ticket(), ticket()
    await flights.claim(leader)
    gone = await waiting(flights, left)
    next_one = await waiting(flights, follower)
    flights.release(left)
    flights.release(leader)
    assert await next_one is Role.LEADER
    assert flights.leader("k") is follower
    gone.cancel()


async def test_a_release_by_somebody_else_changes_nothing() -> None:
    flights = SingleFlight(cap=30)
    leader = ticket()
    await flights.claim(leader)
    flights.release(ticket())
    assert flights.leader("k") is leader


async def test_a_closed_ticket_never_leads() -> None:
    flights = SingleFlight(cap=30)
    late = ticket()
    flights.release(late)
    assert await flights.claim(late) is Role.ALONE
    assert len(flights) == 0


async def test_a_caller_never_waits_for_itself() -> None:
    flights = SingleFlight(cap=30)
    await flights.claim(ticket(caller=(7, 7)))
    assert await flights.claim(ticket(caller=(7, 7))) is Role.ALONE


async def test_a_follower_of_a_silent_leader_takes_over_when_the_lease_ends() -> None:
    flights = SingleFlight(cap=0.02)
    await flights.claim(ticket())
    assert await flights.claim(ticket()) is Role.LEADER


async def test_a_waiter_goes_alone_after_its_own_budget() -> None:
    flights = SingleFlight(cap=0.02)
    await flights.claim(ticket())
    roles = await asyncio.gather(*(flights.claim(ticket()) for _ in range(3)))
    assert set(roles) <= {Role.LEADER, Role.ALONE}
    assert Role.ALONE in roles


async def test_a_late_leader_is_still_known_for_its_latency() -> None:
    flights = SingleFlight(cap=0.02)
    leader = ticket()
    await flights.claim(leader)
    while len(flights):
        await asyncio.sleep(0.005)
    assert flights.leader("k") is leader
    flights.settle("k", b"answer")
    assert flights.leader("k") is None


async def test_a_cancelled_waiter_that_was_just_promoted_hands_the_lease_on() -> None:
    flights = SingleFlight(cap=30)
    leader, promoted, last = ticket(), ticket(), ticket()
    await flights.claim(leader)
    cancelled = await waiting(flights, promoted)
    follower = await waiting(flights, last)
    flights.release(leader)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await follower is Role.LEADER


async def test_the_lease_is_learned_from_the_model_and_capped() -> None:
    flights = SingleFlight(cap=30)
    assert flights.lease_seconds("m") == 15
    flights.observe("m", 2.0)
    flights.observe("m", 1.0)
    assert flights.lease_seconds("m") == 6
    flights.observe("m", 60.0)
    assert flights.lease_seconds("m") == 15
    flights.observe("fast", 0.001)
    assert flights.lease_seconds("fast") == 0.5


async def test_the_lease_of_a_leader_that_waits_itself_runs_from_the_end_of_its_waiting() -> None:
    flights = SingleFlight(cap=0.02)
    leader = ticket()
    await flights.claim(leader)
    with flights.waiting(leader):
        await asyncio.sleep(0.05)
        assert flights.leader("k") is leader
        assert flights.leaders() == [leader]
    assert flights.leaders() == [leader]
    while flights.leaders():
        await asyncio.sleep(0.005)


async def test_a_leader_that_is_answered_while_it_waits_gets_no_lease_back() -> None:
    flights = SingleFlight(cap=30)
    leader = ticket()
    await flights.claim(leader)
    with flights.waiting(leader):
        flights.settle("k", b"answer")
    assert flights.leaders() == []


async def test_a_leader_that_leaves_while_it_waits_does_not_touch_the_next_ones_lease() -> None:
    flights = SingleFlight(cap=0.2)
    leader, follower = ticket(), ticket()
    await flights.claim(leader)
    next_one = await waiting(flights, follower)
    with flights.waiting(leader):
        flights.release(leader)
        assert await next_one is Role.LEADER
    assert flights.leaders() == [follower]
    while flights.leaders():
        await asyncio.sleep(0.005)
