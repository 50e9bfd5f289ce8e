"""One call over fabrics that share a store as processes do; nobody waits for what will not come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable
from cache_fabric.explanation import LookupExplanation
from cache_fabric.leases import LEASES
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.types import Answer, Ticket

Make = Callable[..., Awaitable[CacheFabric]]
LONG = 7200.0  # who waits for a lease to end fails by the time-out of the test


class SharedStore(MemoryStore):
    """Stands for a server: several fabrics on one loop see its keys."""

    shared = True

    def __init__(self) -> None:
        super().__init__("n")
        self.asked = 0  # for leases
        self.looked = 0  # for leases and answers together
        self.before_add: Callable[[], Awaitable[object]] | None = None
        self.after_add: Callable[[], Awaitable[object]] | None = None
        self.lost_writes = False
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        self.asked += 1
        if self.before_add is not None:
            await self.before_add()
        added = await super().add(key, value, ttl)
        if self.after_add is not None:
            await self.after_add()
        return added

    async def get_many(self, keys: Any) -> list[bytes | None]:
        self.looked += 1
        return await super().get_many(keys)

    async def set_many(self, writes: Any) -> None:
        await self.may_write.wait()
        if self.lost_writes:
            raise BackendUnavailable("shared", "set_many", "gone")
        await super().set_many(writes)

    async def leases(self) -> list[str]:
        return [key async for key, _ in self.scan(LEASES)]


class Model:
    """Counts its calls; answers with the number of the call when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> Any:
        self.calls += 1
        number = self.calls
        await self.may_answer.wait()
        return f"answer {number}"


def request(text: str = "How do I return an item?", **more: Any) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}], **more)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def lookup(fabric: CacheFabric, asked: CacheRequest) -> Any:
    """Look up as a caller of its own."""
    return await asyncio.create_task(fabric.lookup(asked))


async def missed(fabric: CacheFabric, asked: CacheRequest) -> Miss:
    result = await lookup(fabric, asked)
    assert isinstance(result, Miss)
    return result


async def waiting(
    store: SharedStore, fabric: CacheFabric, asked: CacheRequest
) -> asyncio.Task[Any]:
    """Start a lookup and return once it has looked for the answer of another process."""
    before = store.looked
    task = asyncio.create_task(fabric.lookup(asked))
    await until(lambda: store.looked > before)
    return task


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture
async def make(store: SharedStore) -> AsyncIterator[Make]:
    """Make fabrics of one store, all at home on the loop of the test."""
    async with AsyncExitStack() as stack:

        async def one(policy: Any = None, **options: Any) -> CacheFabric:
            config = FabricConfig(
                **{"exact_timeout": 30, "semantic_timeout": 30, "flight_timeout": LONG, **options}
            )
            embed = {"embedder": lambda text: [1.0, 0.0]}
            fabric = create_cache_fabric(
                "memory", store=store, policy=policy or ExactOnly(), config=config, **embed
            )
            return await stack.enter_async_context(fabric)

        yield one


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


async def test_a_lease_is_no_answer(make: Make, store: SharedStore) -> None:
    fabric = await make()
    await missed(fabric, request())
    assert len(await store.leases()) == 1
    assert await fabric.list_answers() == []
    assert (await fabric.inspect()).answers == {}
    assert await fabric.clear() == 0
