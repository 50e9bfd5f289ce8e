"""An invalidation in one process empties the hot tiers of the others, through the change log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    create_cache_fabric,
)
from cache_fabric.life import Life
from cache_fabric.policy.exact_only import ExactOnly
from cache_fabric.records import Resync
from cache_fabric.stores.base import Changes, Write
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.taken_back import Retired
from contexts.conftest import Make


def request(question: str = "How do I return an item?", tag: str = "shop") -> CacheRequest:
    messages = [{"role": "user", "content": question}]
    return CacheRequest(model="m", messages=messages, options=CacheOptions(tags=(tag,)))


def hearing(fabric: CacheFabric) -> threading.Event:
    heard = threading.Event()
    fabric.on("retired", lambda _event, _retired: heard.set())
    return heard


async def keep(fabric: CacheFabric, asked: CacheRequest) -> None:
    missed = await fabric.lookup(asked)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "By post.")
    await fabric.flush()


async def is_hot(fabric: CacheFabric, asked: CacheRequest) -> bool:
    result = await fabric.lookup(asked)
    return isinstance(result, Hit) and result.tier == "hot"


async def delete(life: Life, key: str) -> None:
    await life.parts.store.delete([key])


@pytest.mark.parametrize("everything", [False, True])
async def test_the_hot_tier_of_another_process_hears_at_once(make: Make, everything: bool) -> None:
    one, other = await make(), await make()
    gone, staying = request(), request("What is a tulip?", "garden")
    for asked in (gone, staying):
        await keep(one, asked)
        for _ in range(2):
            result = await other.lookup(asked)
        assert isinstance(result, Hit)
        assert result.tier == "hot"
    heard = hearing(other)
    await (one.clear() if everything else one.invalidate(tag="shop"))
    assert await asyncio.to_thread(heard.wait, 30)
    assert isinstance(await other.lookup(gone), Miss)
    assert await is_hot(other, staying) is not everything


async def test_what_another_process_began_before_is_not_kept_there(make: Make) -> None:
    one, other = await make(), await make()
    begun = await other.lookup(request())
    assert isinstance(begun, Miss)
    heard = hearing(other)
    await one.invalidate(tag="shop")
    assert await asyncio.to_thread(heard.wait, 30)
    await other.store(begun.ticket, "old")
    await other.flush()
    assert (await one.inspect()).answers == {}


async def test_another_process_forgets_what_the_store_had_evicted_before(make: Make) -> None:
    one, other = await make(), await make()
    gone, staying = request(), request("What is a tulip?", "garden")
    for asked in (gone, staying):
        await keep(one, asked)
        for _ in range(2):
            hit = await other.lookup(asked)
        assert isinstance(hit, Hit)
        await one._run(partial(delete, key="a/" + hit.entry.exact))
    heard = hearing(other)
    assert (await one.invalidate(tag="shop")).count == 0
    assert await asyncio.to_thread(heard.wait, 30)
    await other.inspect()  # by way of the home loop, after the search that began there
    assert isinstance(await other.lookup(gone), Miss)
    assert await is_hot(other, staying)


@pytest.mark.parametrize("everything", [False, True])
async def test_another_process_frees_the_room_of_what_is_gone(make: Make, everything: bool) -> None:
    one, other = await make(), await make()
    await keep(other, request())
    capacity = other._life().engine.capacity
    assert capacity.entries == 1
    heard = hearing(other)
    await (one.clear() if everything else one.invalidate(tag="shop"))
    assert await asyncio.to_thread(heard.wait, 30)
    assert capacity.entries == 0


@pytest.mark.parametrize("missed", [False, True])
async def test_another_process_counts_anew_when_it_cannot_be_told_what_is_gone(
    make: Make, missed: bool
) -> None:
    fabric = await make()
    await keep(fabric, request())
    live, capacity = fabric._life().contexts.live, fabric._life().engine.capacity
    await fabric._run(lambda life: life.engine.capacity.settled())
    await fabric._run(lambda life: life.parts.store.clear("a/"))
    if missed:
        live.tell("changed", Resync(revision=7, reason="trimmed"))
    else:
        live.tell("retired", Retired("another", {"tag": "shop"}, None))
    await keep(fabric, request("What is a tulip?", "garden"))
    await fabric._run(lambda life: life.engine.capacity.settled())
    assert capacity.entries == 1


async def test_a_process_that_has_missed_changes_forgets_its_hot_tier(make: Make) -> None:
    fabric = await make()
    await keep(fabric, request())
    assert await is_hot(fabric, request())
    fabric._life().contexts.live.tell("changed", Resync(revision=7, reason="trimmed"))
    assert not await is_hot(fabric, request())


async def test_an_invalidation_is_no_change_of_a_context(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("k", 1)
    done = await fabric.invalidate(tag="shop")
    await fabric.set_context("k", 2)
    assert done.revision == 2
    changes = fabric.watch(after=0)
    assert [(await anext(changes)).revision for _ in range(2)] == [1, 3]
    await changes.aclose()


class Gated(MemoryStore):
    """Lets answers through to a shared store when it is told to."""

    def __init__(self, shared: MemoryStore) -> None:
        super().__init__("gated")
        self.__dict__.update(shared.__dict__)
        self._shared = shared
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def set_many(self, writes: Sequence[Write]) -> None:
        self.asked.set()
        await self.gate.wait()
        await self._shared.set_many(writes)

    async def commit(self, *args: object, **options: object) -> int:
        return await self._shared.commit(*args, **options)  # type: ignore[arg-type]

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        return await self._shared.changes(after, limit)

    async def wait(self, after: int, timeout: float) -> bool:
        return await self._shared.wait(after, timeout)


@pytest.mark.parametrize("waiting", [1, 300])
async def test_what_another_process_has_yet_to_write_never_stays(waiting: int) -> None:
    """One is on its way to the store when the note comes; of 300 some have not left yet."""
    shared = MemoryStore("n")
    slow = Gated(shared)
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30)
    one = create_cache_fabric("memory", store=shared, config=patient, policy=ExactOnly())
    other = create_cache_fabric("memory", store=slow, config=patient, policy=ExactOnly())
    async with one, other:
        for number in range(waiting):
            missed = await other.lookup(request(f"question {number}"))
            assert isinstance(missed, Miss)
            await other.store(missed.ticket, "x")
        await slow.asked.wait()
        heard = hearing(other)
        assert (await one.invalidate(tag="shop")).count == 0
        while not heard.is_set():
            await asyncio.sleep(0.001)
        slow.gate.set()
        async with asyncio.timeout(30):
            while not await idle(other) or (await one.inspect()).answers:
                await asyncio.sleep(0.001)


async def idle(fabric: CacheFabric) -> bool:
    life = fabric._life()
    await fabric.flush()
    return not life.invalidations._searches and not life.engine.kept._background


async def test_the_change_log_names_nobody(make: Make) -> None:
    fabric = await make()
    await keep(fabric, request())
    await fabric.invalidate(tenant="acme-canary", user="alice-canary")
    page = await fabric._run(lambda life: life.parts.store.changes(0))
    assert page.items
    for change in page.items:
        assert b"canary" not in change.note


async def test_a_veiled_name_is_found_by_nobody_else(make: Make) -> None:
    one, other = await make(), await make()
    mine, theirs = [
        CacheRequest(model="m", messages=request().messages, tenant=tenant, user="u")
        for tenant in ("acme", "globex")
    ]
    for asked in (mine, theirs):
        await keep(one, asked)
        for _ in range(2):
            await other.lookup(asked)
    for asked in (mine, theirs):
        found = await other.lookup(asked)
        assert isinstance(found, Hit)
        await one._run(partial(delete, key="a/" + found.entry.exact))
    heard = hearing(other)
    await one.invalidate(tenant="acme", user="u")
    assert await asyncio.to_thread(heard.wait, 30)
    await other.inspect()
    assert isinstance(await other.lookup(mine), Miss)
    assert await is_hot(other, theirs)
