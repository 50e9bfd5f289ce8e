"""One model call over fabrics that share a store as processes do."""

from __future__ import annotations

import asyncio

import pytest

from cache_fabric import CacheOptions, CacheRequest, Hit, Miss, Threshold
from cache_fabric.explanation import LookupExplanation
from concurrency.conftest import (
    LONG,
    Make,
    Model,
    SharedStore,
    lookup,
    missed,
    request,
    until,
    waiting,
)


async def test_a_hundred_callers_of_four_processes_make_one_call(
    make: Make, store: SharedStore
) -> None:
    fabrics, model = [await make() for _ in range(4)], Model()
    tasks = [
        asyncio.create_task(fabric.get_or_call(request(), model))
        for fabric in fabrics
        for _ in range(25)
    ]
    await until(lambda: model.calls == 1 and store.asked == 4)
    model.may_answer.set()
    assert await asyncio.gather(*tasks) == ["answer 1"] * 100
    assert model.calls == 1
    figures = [await fabric.get_metrics() for fabric in fabrics]
    assert [sum(f[name] for f in figures) for name in ("misses", "coalesced")] == [1, 99]


async def test_the_answer_of_another_process_is_a_flight_hit_that_stays(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    first = await missed(one, request())
    task = await waiting(store, other, request())
    await one.store(first.ticket, "By post.")
    hit = await task
    assert isinstance(hit, Hit)
    assert (hit.tier, hit.entry.payload, hit.stale) == ("flight", "By post.", False)
    assert hit.reason == "same request, answered in another process"
    explained = await other.explain(hit.lookup_id)
    assert isinstance(explained, LookupExplanation)
    assert explained.tier == "flight"
    again = await lookup(other, request())
    assert isinstance(again, Hit)
    assert again.tier == "hot"


async def test_a_leader_that_waits_for_another_process_keeps_its_own_followers(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make(flight_timeout=LONG)
    first = await missed(one, request())
    task = await waiting(store, other, request())
    followers = [asyncio.create_task(other.lookup(request())) for _ in range(5)]
    flights = other._life().engine.flights
    await until(lambda: flights.is_awaited(first.ticket.keys.exact))
    looked = store.looked
    await until(lambda: store.looked > looked + 3)
    assert store.asked == 2, "only the leaders ask the store"
    await one.store(first.ticket, "By post.")
    for found in await asyncio.gather(task, *followers):
        assert isinstance(found, Hit)
        assert found.tier == "flight"
    assert len(flights) == 0


async def test_an_answer_that_came_just_before_the_lease_is_found(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    asked = request()

    async def answer_first() -> None:
        store.before_add = None
        first = await missed(one, asked)
        await one.store(first.ticket, "By post.")
        await one.flush()
        await one._life().engine.kept.leases.flush()

    store.before_add = answer_first
    found = await lookup(other, asked)
    assert isinstance(found, Hit)
    assert found.entry.payload == "By post."
    await other._life().engine.kept.leases.flush()
    assert await store.leases() == []


async def test_an_answer_whose_lease_stays_is_found_all_the_same(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    first = await missed(one, request())
    task = await waiting(store, other, request())

    async def lost(key: str, value: bytes) -> bool:
        return False

    store.remove_if = lost  # type: ignore[method-assign]
    await one.store(first.ticket, "By post.")
    assert isinstance(await task, Hit)


async def test_a_caller_never_waits_for_its_own_lease(make: Make) -> None:
    one, other = await make(), await make()
    for fabric in (one, other):
        assert isinstance(await fabric.lookup(request()), Miss)


@pytest.mark.parametrize(
    "another",
    [request(tenant="acme"), request(user="ann"), request(params={"temperature": 1})],
    ids=["tenant", "user", "parameter"],
)
async def test_what_is_not_the_same_request_is_not_waited_for(
    make: Make, another: CacheRequest
) -> None:
    one, other = await make(), await make()
    await missed(one, request())
    await missed(other, another)


async def test_one_of_all_processes_refreshes_a_stale_answer_and_nobody_waits(
    make: Make, store: SharedStore
) -> None:
    stale = {"ttl": 0.05, "ttl_jitter": 0.0, "stale_while_revalidate": 3600.0}
    one, other = await make(**stale), await make(**stale)
    first = await missed(one, request())
    await one.store(first.ticket, "old")
    await one.flush()
    await asyncio.sleep(0.06)
    refreshing = await missed(one, request())
    for _ in range(3):
        found = await lookup(other, request())
        assert isinstance(found, Hit)
        assert (found.entry.payload, found.stale) == ("old", True)
    await one.release(refreshing.ticket)
    await one._life().engine.kept.leases.flush()
    assert isinstance(await lookup(other, request()), Miss)


async def test_a_wording_joins_a_leader_that_waits_for_another_process(
    make: Make, store: SharedStore
) -> None:
    one = await make()
    other = await make(policy=Threshold(0.9), join_paraphrases=LONG)
    first = await missed(one, request("How do I return an item?"))
    task = await waiting(store, other, request("How do I return an item?"))
    joining = asyncio.create_task(other.lookup(request("How can I return an item?")))
    flights = other._life().engine.flights._flights
    await until(lambda: any(flight.joined for flight in flights.values()))
    await one.store(first.ticket, "By post.")
    for found, tier in zip(
        await asyncio.gather(task, joining), ("flight", "semantic"), strict=True
    ):
        assert isinstance(found, Hit)
        assert (found.tier, found.entry.payload) == (tier, "By post.")


async def test_hits_bypasses_and_refreshes_ask_for_no_lease(make: Make, store: SharedStore) -> None:
    one, other = await make(), await make()
    first = await missed(one, request())
    await one.store(first.ticket, "By post.")
    await one.flush()
    asked = store.asked
    for fabric in (one, other, other):
        assert isinstance(await lookup(fabric, request()), Hit)
    await lookup(one, request(options=CacheOptions(no_store=True)))
    await missed(one, request(options=CacheOptions(refresh=True)))
    assert store.asked == asked


async def test_without_sharing_everybody_calls(make: Make, store: SharedStore) -> None:
    for _ in range(2):
        await missed(await make(share_flights=False), request())
    store.shared = False
    for _ in range(2):
        await missed(await make(), request())
    assert store.asked == 0


async def test_a_lease_is_no_answer(make: Make, store: SharedStore) -> None:
    fabric = await make()
    await missed(fabric, request())
    assert len(await store.leases()) == 1
    assert await fabric.list_answers() == []
    assert (await fabric.inspect()).answers == {}
    assert await fabric.clear() == 0
