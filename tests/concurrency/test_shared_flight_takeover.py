"""Nobody waits for an answer that will not come, and nobody who leaves holds a lease."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cache_fabric import Hit, Miss
from cache_fabric.errors import BackendUnavailable
from cache_fabric.leases import LEASES
from cache_fabric.types import Answer, Ticket
from concurrency.conftest import (
    Make,
    Model,
    SharedStore,
    lookup,
    missed,
    request,
    until,
    waiting,
)


async def test_the_lease_is_gone_once_the_answer_is_written(make: Make, store: SharedStore) -> None:
    fabric = await make()
    first = await missed(fabric, request())
    assert await store.leases() == [LEASES + first.ticket.keys.exact]
    await fabric.store(first.ticket, "By post.")
    await fabric.flush()
    await until(lambda: not fabric._life().engine.kept.leases._removals)
    assert await store.leases() == []


async def test_the_lease_is_held_until_the_answer_is_written(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    first = await missed(one, request())
    store.may_write.clear()
    await one.store(first.ticket, "By post.")
    await one.release(first.ticket)  # a host that always releases
    task = await waiting(store, other, request())
    looked = store.looked
    await until(lambda: store.looked > looked + 2 or task.done())
    assert not task.done()
    store.may_write.set()
    assert isinstance(await task, Hit)


ENDINGS = ["failed", "released", "refused", "retired", "cleared", "not written"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_call_without_an_answer_to_keep_frees_the_others_at_once(
    make: Make, store: SharedStore, ending: str
) -> None:
    one, other = await make(), await make()
    first = await missed(one, request())
    task = await waiting(store, other, request())
    if ending == "failed":
        assert await one.stale(first.ticket) is None
    elif ending == "released":
        await one.release(first.ticket)
    elif ending == "refused":
        await one.store(first.ticket, Answer(payload="By", text="By", finish_reasons=("length",)))
    elif ending == "retired":
        await one.invalidate(model="m")
        await one.store(first.ticket, "By pigeon.")
    elif ending == "cleared":
        await one.store(first.ticket, "By pigeon.")
        await one.clear()
    else:
        store.lost_writes = True
        await one.store(first.ticket, "By pigeon.")
    second = await task
    assert isinstance(second, Miss)
    assert second.ticket.lease is not None
    assert await store.get(LEASES + second.ticket.keys.exact) == second.ticket.lease


async def test_a_leader_that_is_cancelled_frees_the_others_at_once(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    model = Model()
    leading = asyncio.create_task(one.get_or_call(request(), model))
    await until(lambda: model.calls == 1)
    task = await waiting(store, other, request())
    leading.cancel()
    assert isinstance(await task, Miss)


async def test_a_fabric_that_closes_frees_the_others_at_once(
    make: Make, store: SharedStore
) -> None:
    one, other = await make(), await make()
    await missed(one, request())
    task = await waiting(store, other, request())
    await one.aclose()
    assert isinstance(await task, Miss)


async def test_a_silent_holder_is_taken_over_from_when_its_lease_ends(
    make: Make, store: SharedStore
) -> None:
    one, *others = [await make(flight_timeout=0.6) for _ in range(3)]
    await missed(one, request())
    model = Model()
    model.may_answer.set()
    asking = [fabric.get_or_call(request(), model) for fabric in others for _ in range(10)]
    assert await asyncio.gather(*asking) == ["answer 1"] * 20
    assert model.calls == 1


async def test_nobody_waits_for_a_holder_longer_than_its_own_lease_would_last(
    make: Make, store: SharedStore
) -> None:
    slow, *quick = [await make() for _ in range(4)]
    await missed(slow, request())
    for fabric in quick:
        fabric._life().engine.flights.observe("m", 0.001)  # a lease of half a second
    model = Model()
    tasks = [
        asyncio.create_task(fabric.get_or_call(request(), model))
        for fabric in quick
        for _ in range(10)
    ]
    await until(lambda: model.calls == 1)
    looked = store.looked
    await until(lambda: store.looked > looked + 4)  # the others go on waiting, for the new holder
    model.may_answer.set()
    assert await asyncio.gather(*tasks) == ["answer 1"] * 30
    assert model.calls == 1


async def test_followers_stay_behind_a_leader_that_takes_over(
    make: Make, store: SharedStore
) -> None:
    slow, quick = await make(), await make()
    await missed(slow, request())
    flights = quick._life().engine.flights
    flights.observe("m", 0.001)  # a lease of half a second
    tasks = [asyncio.create_task(quick.lookup(request())) for _ in range(6)]
    done, followers = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    (miss,) = [task.result() for task in done]
    assert isinstance(miss, Miss)
    assert flights.leaders() == [miss.ticket]
    assert store.asked == 3, "only leaders ask the store"
    await quick.store(miss.ticket, "By post.")
    for found in await asyncio.gather(*followers):
        assert isinstance(found, Hit)


async def raising() -> None:
    raise BackendUnavailable("shared", "add", "gone")


async def hanging() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("when", ["before_add", "after_add"])
@pytest.mark.parametrize("fault", [raising, hanging])
async def test_a_lease_that_cannot_be_had_costs_a_counted_miss_and_no_more(
    make: Make, store: SharedStore, when: str, fault: Callable[[], Awaitable[None]]
) -> None:
    fabric = await make(exact_timeout=0.05)
    kept = await missed(fabric, request("kept"))
    await fabric.store(kept.ticket, "kept")
    await fabric.flush()
    setattr(store, when, fault)
    for number in range(10):
        miss = await missed(fabric, request(f"question {number}"))
        assert (miss.degraded, miss.reason) == ("lease", "not found")
    assert (await fabric.get_metrics())["degraded"] == {"lease": 10}
    assert store.asked < 10, "a store that gives no leases is left alone for a while"
    other = await make()
    found = await lookup(other, request("kept"))
    assert isinstance(found, Hit), "the store can still be read"
    await fabric._life().engine.kept.leases.flush()
    assert await store.leases() == []


async def test_a_fault_while_waiting_ends_the_waiting(make: Make, store: SharedStore) -> None:
    one, other = await make(), await make()
    await missed(one, request())
    task = await waiting(store, other, request())

    async def gone(keys: Any) -> list[bytes | None]:
        raise BackendUnavailable("shared", "get_many", "gone")

    store.get_many = gone  # type: ignore[method-assign]
    miss = await task
    assert isinstance(miss, Miss)
    assert miss.degraded == "store"


@pytest.mark.parametrize("moment", ["before_add", "after_add", "waiting"])
async def test_a_caller_that_leaves_holds_nothing(
    make: Make, store: SharedStore, moment: str
) -> None:
    fabric = await make()
    if moment == "waiting":
        first = await missed(await make(), request())
        task = await waiting(store, fabric, request())
    else:
        setattr(store, moment, hanging)
        task = asyncio.create_task(fabric.lookup(request()))
        await until(lambda: store.asked == 1)
        setattr(store, moment, None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fabric._life().engine.kept.leases.flush()
    assert len(fabric._life().engine.flights) == 0
    held = [LEASES + first.ticket.keys.exact] if moment == "waiting" else []
    assert await store.leases() == held


async def test_a_release_that_overtakes_its_own_lookup_leaves_no_lease(
    make: Make, store: SharedStore
) -> None:
    fabric = await make()
    ticket = await fabric.begin(request())
    assert isinstance(ticket, Ticket)
    leases = fabric._life().engine.kept.leases

    async def release() -> None:
        await fabric.release(ticket)
        await leases.flush()

    store.before_add = release
    assert isinstance(await fabric.lookup(ticket), Miss)
    await leases.flush()
    assert await store.leases() == []


async def test_callers_cancelled_at_random_leave_no_lease_and_the_others_are_answered(
    make: Make, store: SharedStore
) -> None:
    fabrics, rng = [await make() for _ in range(3)], random.Random(1)

    async def model() -> str:
        await asyncio.sleep(rng.random() / 100)
        if rng.random() < 0.2:
            raise ConnectionError
        return "By post."

    async def caller(number: int) -> Any:
        fabric = fabrics[number % 3]
        return await fabric.get_or_call(request(f"question {number % 20}"), model)

    tasks = [asyncio.create_task(caller(number)) for number in range(300)]
    for task in rng.sample(tasks, 150):
        await asyncio.sleep(rng.random() / 500)
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = {one if isinstance(one, str) else type(one) for one in found}
    assert kinds <= {"By post.", asyncio.CancelledError, ConnectionError}
    assert found.count("By post.") > 50
    for fabric in fabrics:
        await fabric.flush()
        await fabric._life().engine.kept.leases.flush()
        assert len(fabric._life().engine.flights) == 0
    assert await store.leases() == []
