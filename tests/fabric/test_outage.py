"""What is handed in while the store is away is kept when it is back, unless it was taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    create_cache_fabric,
)
from cache_fabric.demo.switched import Switch, switched
from cache_fabric.errors import BackendUnavailable
from cache_fabric.records import Resync
from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.stores.sqlite import SqliteStore
from voting import a_vote, cast

Ask = Callable[..., CacheRequest]
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


class Apart:
    """A fabric whose store can be away from it, and another one that always reaches that store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        behind, self.switch = switched(store)
        self.here = self.fabric(behind)
        self.there = self.fabric(store)

    def fabric(self, store: Store, config: FabricConfig = PATIENT) -> CacheFabric:
        return create_cache_fabric("memory", store=store, policy=Threshold(), config=config)

    async def close(self) -> None:
        await self.here.aclose()
        await self.there.aclose()
        await self.store.aclose()


@pytest.fixture(params=["memory", "sqlite"])
async def apart(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Apart]:
    if request.param == "memory":
        store: Store = MemoryStore("default")
    else:
        store = SqliteStore(tmp_path / "kept.db", "default")
    made = Apart(store)
    for fabric in (made.here, made.there):
        await fabric.open()
    yield made
    await made.close()


async def answer(fabric: CacheFabric, request: CacheRequest, text: str = "x") -> str:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    entry_id = await fabric.store(missed.ticket, text)
    assert entry_id is not None
    return entry_id


async def kept(fabric: CacheFabric, request: CacheRequest) -> bool:
    result = await fabric.lookup(request)
    if isinstance(result, Miss):
        await fabric.release(result.ticket)
    return isinstance(result, Hit)


async def told(fabric: CacheFabric, of: str = "answers") -> dict[str, int]:
    """What became of answers, or of executions, in all."""
    counts: dict[str, int] = (await fabric.get_metrics())[of]
    return {outcome: count for outcome, count in counts.items() if outcome != "released"}


async def caught_up(fabric: CacheFabric) -> None:
    """Return when nothing waits any more, without anybody having asked for it."""
    async with asyncio.timeout(30):
        while len(fabric._life().engine.queue) + len(fabric._life().tracking.queue):
            await asyncio.sleep(0.01)


async def in_an_outage(fabric: CacheFabric, switch: Switch) -> None:
    """Return when the store is away, and the fabric has found out."""
    switch.on = False
    queue = fabric._life().engine.queue
    async with asyncio.timeout(30):
        while not queue.is_behind:
            await asyncio.sleep(0.001)


async def test_nothing_of_an_outage_is_lost(apart: Apart, ask: Ask) -> None:
    assert not await kept(apart.here, ask("before"))
    apart.switch.on = False
    await answer(apart.here, ask("How do I return an item?"))
    for number in range(299):
        await answer(apart.here, ask(f"question {number}"), f"answer {number}")
        assert apart.here.track_soon(f"run-{number}", "graph", {"number": number})
        assert await kept(apart.here, ask(f"question {number}"))
    apart.switch.on = True
    await caught_up(apart.here)
    for number in (0, 150, 298):
        found = await apart.there.lookup(ask(f"question {number}"))
        assert isinstance(found, Hit)
        assert found.entry.payload == f"answer {number}"
        assert await apart.there.get_execution(f"run-{number}") is not None
    near = await apart.here.lookup(ask("How can I return an item?"))
    assert isinstance(near, Hit)
    assert near.tier == "semantic"
    assert await told(apart.here) == {"stored": 300}
    assert await told(apart.here, "executions") == {"kept": 299}
    assert len(await apart.there.list_answers(limit=1000)) == 300


async def test_beyond_the_bounds_drops_are_counted(ask: Ask) -> None:
    store, switch = switched(MemoryStore("default"))
    config = FabricConfig(exact_timeout=30, queue_entries=5)
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        await kept(fabric, ask("before"))
        switch.on = False
        for number in range(9):
            await answer(fabric, ask(f"question {number}"))
            fabric.track_soon(f"run-{number}", "graph", {})
        await asyncio.sleep(0.1)
        switch.on = True
        await caught_up(fabric)
        assert await told(fabric) == {"stored": 9, "dropped": 4}
        assert await told(fabric, "executions") == {"kept": 5, "dropped": 4}


async def test_who_looks_during_an_outage_loses_nothing(apart: Apart, ask: Ask) -> None:
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    await answer(apart.here, ask("one"))
    await apart.here.get_metrics()
    apart.here.track_soon("run", "graph", {})
    for look in (
        lambda: apart.here.get_execution("run"),
        lambda: apart.here.search_executions(),
        lambda: apart.here.list_answers(),
        lambda: apart.here.inspect(),
        lambda: apart.here.erase(user="ann"),
        lambda: apart.here.invalidate(tag="other"),
        lambda: apart.here.reindex(),
    ):
        with pytest.raises(BackendUnavailable):
            await look()
    apart.switch.on = True
    assert await apart.here.get_execution("run") is not None
    assert len(await apart.here.list_answers()) == 1
    assert await told(apart.here) == {"stored": 1}


async def test_a_flush_and_the_end_do_not_wait_for_the_store(apart: Apart, ask: Ask) -> None:
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    await answer(apart.here, ask("one"))
    apart.here.track_soon("run", "graph", {})
    with pytest.raises(BackendUnavailable):
        await apart.here.track_execution("durable", "graph", {}, durable=True)
    await apart.here.flush()
    assert await told(apart.here) == {"stored": 1, "dropped": 1}
    assert await told(apart.here, "executions") == {"dropped": 2}
    await answer(apart.here, ask("two"))
    await apart.here.aclose()
    assert apart.here._metrics.totals().answers["dropped"] == 2


async def test_an_end_without_patience_drops_and_counts_what_waits(ask: Ask) -> None:
    store, switch = switched(MemoryStore("default"))
    fabric = create_cache_fabric("memory", store=store, config=PATIENT)
    await kept(fabric, ask("before"))
    switch.on = False
    await answer(fabric, ask("one"))
    await in_an_outage(fabric, switch)
    life = fabric._life()
    await life.portal.run(lambda: life.close(patience=0))
    assert len(life.engine.queue) == 0
    assert fabric._metrics.totals().answers["dropped"] == 1
    await asyncio.to_thread(life.portal.close)


async def invalidated(apart: Apart, _: str) -> None:
    assert (await apart.there.invalidate(tag="bad")).count == 0


async def erased(apart: Apart, _: str) -> None:
    await apart.there.erase(tenant="acme")


async def cleared(apart: Apart, _: str) -> None:
    await apart.there.clear()


@pytest.mark.parametrize("take_back", [invalidated, erased, cleared])
async def test_what_others_take_back_in_an_outage_is_not_written_after_it(
    apart: Apart, ask: Ask, take_back: Callable[[Apart, str], Any]
) -> None:
    bad = ask("bad", tenant="acme", options=CacheOptions(tags=("bad",)))
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    entry_id = await answer(apart.here, bad)
    await in_an_outage(apart.here, apart.switch)
    await take_back(apart, entry_id)
    good = await answer(apart.here, ask("good")) if take_back is not cleared else None
    apart.switch.on = True
    await caught_up(apart.here)
    assert [entry.id for entry in await apart.there.list_answers()] == ([good] if good else [])
    assert not await kept(apart.here, bad)
    assert not await kept(apart.there, bad)


class Landed:
    """The keys that are written to a store from now on."""

    def __init__(self, store: Store) -> None:
        self.keys: list[str] = []
        self._write = store.set_many

    async def set_many(self, writes: Sequence[Write]) -> None:
        self.keys += [write.key for write in writes]
        await self._write(writes)


async def test_what_was_found_bad_in_an_outage_is_not_written_after_it(
    apart: Apart, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(apart.here, ask("before"))
    missed = await apart.here.lookup(ask("bad"))
    assert isinstance(missed, Miss)
    apart.switch.on = False
    await apart.here.store(missed.ticket, "x")
    found = await apart.here.lookup(ask("bad"))
    await in_an_outage(apart.here, apart.switch)
    await cast(apart.there, a_vote(found))
    landed = Landed(apart.store)
    monkeypatch.setattr(apart.store, "set_many", landed.set_many)
    apart.switch.on = True
    await caught_up(apart.here)
    assert landed.keys == []
    assert not await kept(apart.here, ask("bad"))
    assert not await kept(apart.there, ask("bad"))


async def test_what_this_process_takes_back_as_the_store_returns_is_not_written(
    apart: Apart, ask: Ask
) -> None:
    bad = ask("bad", options=CacheOptions(tags=("bad",)))
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    await answer(apart.here, bad)
    await answer(apart.here, ask("good"))
    await in_an_outage(apart.here, apart.switch)
    with pytest.raises(BackendUnavailable):
        await apart.here.invalidate(tag="bad")
    apart.switch.on = True
    await caught_up(apart.here)
    assert len(await apart.there.list_answers()) == 1
    assert await apart.here.invalidate(tag="bad") is not None
    assert not await kept(apart.here, bad)


async def test_what_may_have_been_taken_back_unheard_is_dropped_and_counted(
    apart: Apart, ask: Ask
) -> None:
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    await answer(apart.here, ask("one"))
    await in_an_outage(apart.here, apart.switch)
    apart.here._life().contexts.live.tell("changed", Resync(revision=9, reason="trimmed"))
    apart.switch.on = True
    await caught_up(apart.here)
    assert await apart.there.list_answers() == []
    assert await told(apart.here) == {"stored": 1, "dropped": 1}


async def test_a_flush_as_soon_as_the_store_is_back_loses_nothing(apart: Apart, ask: Ask) -> None:
    await kept(apart.here, ask("before"))
    apart.switch.on = False
    for number in range(10):  # until the breaker is open
        await answer(apart.here, ask(f"question {number}"))
    apart.here.track_soon("run", "graph", {})
    await in_an_outage(apart.here, apart.switch)
    assert apart.here._life().engine.store.breaker.is_open
    apart.switch.on = True
    await apart.here.flush()
    assert len(await apart.there.list_answers()) == 10
    assert await apart.there.get_execution("run") is not None


async def test_a_lease_is_given_up_when_what_it_was_for_has_landed_late(
    apart: Apart, ask: Ask
) -> None:
    missed = await apart.here.lookup(ask("one"))
    assert isinstance(missed, Miss)
    if apart.store.shared:
        assert [key async for key, _ in apart.store.scan("l/")] != []
    apart.switch.on = False
    await apart.here.store(missed.ticket, "x")
    await in_an_outage(apart.here, apart.switch)
    apart.switch.on = True
    await caught_up(apart.here)
    await apart.here._run(lambda life: life.engine.kept.leases.flush())
    assert [key async for key, _ in apart.store.scan("l/")] == []
