"""Bounds beside stale windows and invalidation: what is taken back, what is kept for later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
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
    Usage,
    create_cache_fabric,
)
from cache_fabric.stores.memory import MemoryStore
from fabric.conftest import Clock

Ask = Callable[..., CacheRequest]
Make = Callable[..., CacheFabric]
DEAR, CHEAP = (
    Usage(input_tokens=100_000, output_tokens=100),
    Usage(input_tokens=100, output_tokens=1),
)
RETURN, HOURS = "How do I return an item?", "When does the shop open?"


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    """Make fabrics on one store that goes by the test's clock, and close them."""
    store, made = MemoryStore("default", clock=clock), []

    def one(**config: Any) -> CacheFabric:
        patient = {"exact_timeout": 30, "semantic_timeout": 30, "ttl_jitter": 0, **config}
        made.append(
            create_cache_fabric(
                "memory", store=store, policy=Threshold(), config=FabricConfig(**patient)
            )
        )
        return made[-1]

    yield one
    for fabric in made:
        await fabric.aclose()


async def answered(
    fabric: CacheFabric, request: CacheRequest, usage: Usage = CHEAP, text: str = "x"
) -> None:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, text, usage=usage)
    await fabric.flush()


async def kept(fabric: CacheFabric) -> set[str | None]:
    return {entry.question for entry in await fabric.list_answers()}


def tagged(ask: Ask, question: str) -> CacheRequest:
    return ask(question, options=CacheOptions(tags=("shop",)))


async def test_what_was_invalidated_frees_its_room(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=2)
    for question in (RETURN, HOURS):
        await answered(fabric, tagged(ask, question), DEAR)
    assert (await fabric.invalidate(tag="shop")).count == 2
    assert fabric._life().engine.capacity.entries == 0
    for question in ("cheap 1", "cheap 2"):
        await answered(fabric, ask(question))
    assert await kept(fabric) == {"cheap 1", "cheap 2"}


async def test_an_answer_that_was_not_let_in_is_taken_back_as_well(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=1)
    await answered(fabric, ask(RETURN), DEAR)
    for question in (HOURS, "What is a tulip?"):
        request = tagged(ask, question) if question == HOURS else ask(question)
        await answered(fabric, request)
        assert isinstance(await fabric.lookup(request), Hit)
    await fabric.invalidate(tag="shop")
    assert isinstance(await fabric.lookup(ask(HOURS)), Miss)
    assert isinstance(await fabric.lookup(ask("What is a tulip?")), Hit)


async def test_an_entry_that_was_not_let_in_is_taken_back_by_its_id(make: Make, ask: Ask) -> None:
    fabric = make(max_entries=1)
    await answered(fabric, ask(RETURN), DEAR)
    await answered(fabric, ask(HOURS))
    hot = await fabric.lookup(ask(HOURS))
    assert isinstance(hot, Hit)
    await fabric.invalidate(entry=hot.entry.id)
    assert isinstance(await fabric.lookup(ask(HOURS)), Miss)


async def test_a_stale_answer_is_worth_what_it_cost_after_a_restart(
    make: Make, ask: Ask, clock: Clock
) -> None:
    await answered(make(ttl=100, stale_if_error=50), ask(RETURN), DEAR)
    clock.now += 101
    fabric = make(ttl=100, stale_if_error=50, max_entries=1)
    await fabric._run(lambda life: life.engine.capacity.recount())
    await answered(fabric, ask(HOURS), Usage(input_tokens=5_000, output_tokens=100))
    failed = await fabric.lookup(ask(RETURN))
    assert isinstance(failed, Miss)
    assert await fabric.stale(failed.ticket) is not None


async def test_standing_in_counts_as_use(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, stale_if_error=1_000, max_entries=2)
    await answered(fabric, ask(RETURN))
    clock.now += 101
    for _ in range(5):
        failed = await fabric.lookup(ask(RETURN))
        assert isinstance(failed, Miss)
        assert await fabric.stale(failed.ticket) is not None
    for number in range(5):
        await answered(fabric, ask(f"asked once, number {number}"))
    assert RETURN in await kept(fabric)


async def test_a_refreshed_answer_too_big_to_be_let_in_ends_the_stale_one(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, stale_if_error=1_000, max_bytes=3_000)
    await answered(fabric, ask(RETURN))
    await answered(fabric, ask(HOURS), DEAR, "y" * 500)
    clock.now += 101
    await answered(fabric, ask(RETURN), text="z" * 2_500)
    assert await kept(fabric) == {HOURS}
    found = await fabric.lookup(ask(RETURN))
    assert isinstance(found, Hit)
    assert (found.tier, found.stale, found.entry.payload) == ("hot", False, "z" * 2_500)
