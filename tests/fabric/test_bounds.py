"""Stored answers stay within their bounds, in every tier, and those that save most stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    Usage,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable
from cache_fabric.instrumentation.events import Event, StoreEvent
from cache_fabric.stores.memory import MemoryStore

Ask = Callable[..., CacheRequest]
Make = Callable[..., CacheFabric]

QUESTION, PARAPHRASE = "How do I return an item?", "How can I return an item?"
USAGE = Usage(input_tokens=100, output_tokens=100)


def bounded(**bounds: Any) -> FabricConfig:
    return FabricConfig(exact_timeout=30, semantic_timeout=30, **bounds)


@pytest.fixture(params=["memory", "local"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Make a fabric with these bounds on a preset without a server."""
    made: list[CacheFabric] = []

    def build(hooks: Any = (), **bounds: Any) -> CacheFabric:
        options: dict[str, Any] = {"path": tmp_path} if request.param == "local" else {}
        made.append(
            create_cache_fabric(
                request.param,
                policy=Threshold(),
                config=bounded(**bounds),
                hooks=hooks,
                **options,
            )
        )
        return made[-1]

    yield build
    for fabric in made:
        await fabric.aclose()


async def answer(
    fabric: CacheFabric, request: CacheRequest, text: str = "kept", usage: Usage = USAGE
) -> str:
    """Miss, answer, and wait until it is written."""
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss), missed
    entry = await fabric.store(missed.ticket, text, usage=usage)
    await fabric.flush()
    assert entry is not None
    return entry


async def kept(fabric: CacheFabric) -> int:
    return sum((await fabric.inspect()).answers.values())


async def test_a_bound_on_the_count_holds_and_what_left_is_counted(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(hooks=[events.append], max_entries=3)
    for number in range(10):
        await answer(fabric, ask(f"question {number}"))
        assert await kept(fabric) == min(number + 1, 3)
    found = await fabric.search_similar("question", limit=10)
    assert len(found) == 3
    gone = [e for e in events if isinstance(e, StoreEvent) and e.outcome == "evicted"]
    metrics = await fabric.get_metrics()
    assert metrics["evicted"] == len(gone) == 7
    assert metrics["evicted_bytes"] == sum(e.size or 0 for e in gone) > 0
    assert {e.model for e in gone} == {"gpt-4o-mini"}


async def test_a_bound_on_bytes_holds(make: Make, ask: Ask) -> None:
    fabric = make(max_bytes=5000)
    for number in range(10):
        await answer(fabric, ask(f"question {number}"), "x" * 100 * (number + 1))
    assert 0 < (await fabric.inspect()).bytes <= 5000


async def test_without_bounds_all_is_kept(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=None, max_bytes=None)
    for number in range(5):
        await answer(fabric, ask(f"question {number}"))
    assert await kept(fabric) == 5
    assert (await fabric.get_metrics())["evicted"] == 0


async def test_an_evicted_answer_is_gone_from_every_tier(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=1)
    await answer(fabric, ask(QUESTION))
    await answer(fabric, ask("What is the capital of Peru?"))
    assert isinstance(await fabric.lookup(ask(QUESTION)), Miss)
    assert isinstance(await fabric.lookup(ask(PARAPHRASE)), Miss)


@pytest.mark.parametrize("asked", [QUESTION, PARAPHRASE])
async def test_an_answer_that_is_used_stays(make: Make, ask: Ask, asked: str) -> None:
    fabric = make(max_entries=2)
    first = await answer(fabric, ask(QUESTION))
    for _ in range(3):
        assert isinstance(await fabric.lookup(ask(asked)), Hit)
    for number in range(5):
        await answer(fabric, ask(f"something else, number {number}"))
    assert await fabric.get_entry(first) is not None


async def test_an_answer_that_cost_more_stays(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=2)
    dear = Usage(input_tokens=100_000, output_tokens=100)
    first = await answer(fabric, ask(QUESTION), usage=dear)
    for number in range(5):
        await answer(fabric, ask(f"something else, number {number}"))
    assert await fabric.get_entry(first) is not None


async def test_an_answer_that_is_not_let_in_still_serves_who_asks_now(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=1)
    await answer(fabric, ask(QUESTION), usage=Usage(input_tokens=100_000, output_tokens=100))
    refused = await answer(fabric, ask("What is the capital of Peru?"))
    assert await fabric.get_entry(refused) is None
    found = await fabric.lookup(ask("What is the capital of Peru?"))
    assert isinstance(found, Hit)
    assert found.tier == "hot"


async def test_a_tenant_displaces_only_its_own_answers(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=6, tenant_max_entries=3)
    quiet = [await answer(fabric, ask(f"question {n}", tenant="quiet")) for n in range(3)]
    for number in range(10):
        await answer(fabric, ask(f"question {number}", tenant="loud"))
    assert await kept(fabric) == 6
    assert all([await fabric.get_entry(entry) for entry in quiet])


async def test_what_was_cleared_frees_its_room(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=2)
    for number in range(2):
        await answer(fabric, ask(f"question {number}"))
    await fabric.clear()
    await answer(fabric, ask("question 2"))
    await answer(fabric, ask("question 3"))
    assert await kept(fabric) == 2


async def test_a_restart_counts_what_is_there_and_keeps_to_the_bounds(
    tmp_path: Path, ask: Ask
) -> None:
    async with create_cache_fabric("local", path=tmp_path, policy=Threshold()) as first:
        for number in range(8):
            await answer(first, ask(f"question {number}", tenant=f"t{number % 2}"))
    smaller = bounded(max_entries=5, tenant_max_entries=3)
    async with create_cache_fabric("local", path=tmp_path, config=smaller) as second:
        await second._life().engine.capacity.settled()
        assert await kept(second) == 5
        found = [await second.search_similar("question", tenant=t) for t in ("t0", "t1")]
        assert sum(map(len, found)) == 5
        await answer(second, ask("one more"))
        assert await kept(second) == 5


async def test_a_recount_finds_what_another_process_wrote_or_deleted(
    tmp_path: Path, ask: Ask
) -> None:
    url = f"sqlite://{tmp_path / 'shared.db'}"
    config = bounded(max_entries=4)
    async with (
        create_cache_fabric("memory", store=url, config=config) as one,
        create_cache_fabric("memory", store=url, config=config) as two,
    ):
        capacity = one._life().engine.capacity
        for fabric in (one, two):
            await fabric._life().engine.capacity.settled()
            for number in range(4):
                await answer(fabric, ask(f"question {number}", tenant=str(id(fabric))))
        assert await kept(one) == 8
        await capacity.recount()
        assert await kept(one) == capacity.entries == 4
        await two.clear()
        await capacity.recount()
        assert capacity.entries == 0


async def test_a_recount_takes_what_vanished_from_the_store_out_of_the_index(ask: Ask) -> None:
    store = MemoryStore("n")
    async with create_cache_fabric("memory", store=store, config=bounded()) as fabric:
        engine = fabric._life().engine
        entry = await answer(fabric, ask(QUESTION))
        await engine.capacity.recount()
        assert len(await engine.semantic.search(QUESTION, 5)) == 1
        await store.delete(["a/" + entry.partition(".")[0]])
        await engine.capacity.recount()
        assert await engine.semantic.search(QUESTION, 5) == []
        assert isinstance(await fabric.lookup(ask(QUESTION)), Miss)


class Flaky(MemoryStore):
    """A store that cannot write, or cannot be scanned, when told so."""

    fault = ""

    async def set_many(self, writes: Any) -> None:
        if self.fault == "write":
            raise BackendUnavailable("flaky", "set_many", "gone")
        await super().set_many(writes)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        if self.fault == "scan":
            raise BackendUnavailable("flaky", "scan", "gone")
        async for found in super().scan(prefix):
            yield found


class Slow(MemoryStore):
    """A store whose writes wait to be let go."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.writing, self.go_on = asyncio.Event(), asyncio.Event()

    async def set_many(self, writes: Any) -> None:
        self.writing.set()
        await self.go_on.wait()
        await super().set_many(writes)


async def test_a_write_that_failed_takes_no_room(ask: Ask) -> None:
    store = Flaky("n")
    async with create_cache_fabric("memory", store=store, config=bounded(max_entries=2)) as fabric:
        store.fault = "write"
        await answer(fabric, ask("lost"))
        assert fabric._life().engine.capacity.entries == 0
        store.fault = ""
        await answer(fabric, ask("kept 1"))
        await answer(fabric, ask("kept 2"))
        assert await kept(fabric) == 2


async def test_a_count_that_overtakes_a_write_does_not_lose_it(ask: Ask) -> None:
    store = Slow("n")
    async with create_cache_fabric("memory", store=store, config=bounded(max_entries=2)) as fabric:
        missed = await fabric.lookup(ask("under way"))
        assert isinstance(missed, Miss)
        await fabric.store(missed.ticket, "kept")
        await store.writing.wait()
        await fabric._life().engine.capacity.recount()
        store.go_on.set()
        await fabric.flush()
        assert fabric._life().engine.capacity.entries == 1


async def test_a_store_that_cannot_be_counted_costs_nothing_else(ask: Ask) -> None:
    store = Flaky("n")
    store.fault = "scan"
    async with create_cache_fabric("memory", store=store, config=bounded(max_entries=2)) as fabric:
        for number in range(4):
            await answer(fabric, ask(f"question {number}"))
        await fabric._life().engine.capacity.settled()
        store.fault = ""
        assert await kept(fabric) == 2
