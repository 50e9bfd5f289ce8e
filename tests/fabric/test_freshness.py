"""Time to live, stale windows and the options of a request, through every tier."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cache_fabric import (
    Bypass,
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
from cache_fabric.stores.memory import MemoryStore
from fabric.conftest import Clock

Ask = Callable[..., CacheRequest]
Make = Callable[..., CacheFabric]
QUESTION = "How do I return an item?"
PARAPHRASE = "How can I return an item?"
VOLATILE = "What is the weather today?"


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    """Make fabrics whose store goes by the test's clock, and close them."""
    made: list[CacheFabric] = []

    def one(**config: Any) -> CacheFabric:
        patient = {"exact_timeout": 30, "semantic_timeout": 30, "flight_timeout": 60, **config}
        fabric = create_cache_fabric(
            "memory",
            store=MemoryStore("default", clock=clock),
            policy=Threshold(),
            config=FabricConfig(**patient),
        )
        made.append(fabric)
        return fabric

    yield one
    for fabric in made:
        await fabric.aclose()


async def answered(fabric: CacheFabric, request: CacheRequest, text: str = "By post.") -> None:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, text)
    await fabric.flush()


async def found(fabric: CacheFabric, request: CacheRequest) -> Hit:
    hit = await fabric.lookup(request)
    assert isinstance(hit, Hit)
    return hit


async def missed(fabric: CacheFabric, request: CacheRequest) -> Miss:
    miss = await fabric.lookup(request)
    assert isinstance(miss, Miss)
    return miss


@pytest.mark.parametrize("tier", ["hot", "exact", "semantic"])
async def test_hits_of_a_tier_never_move_the_end_of_an_answer(
    make: Make, ask: Ask, clock: Clock, tier: str
) -> None:
    fabric = make(ttl=100, ttl_jitter=0)
    await answered(fabric, ask(QUESTION))
    asked = ask(PARAPHRASE if tier == "semantic" else QUESTION)
    for _ in range(3):
        clock.now += 33
        if tier == "exact":
            fabric._life().engine.hot.clear()
        assert (await found(fabric, asked)).tier == tier
    clock.now += 1  # 100 seconds after its birth
    await missed(fabric, asked)


async def test_jitter_only_shortens(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0.5)
    ends = set()
    for number in range(20):
        await answered(fabric, ask(f"question {number}"))
        expires = (await found(fabric, ask(f"question {number}"))).entry.expires
        assert expires is not None
        ends.add(expires - clock.now)
    assert len(ends) == 20
    assert all(50 <= end <= 100 for end in ends)


async def test_one_caller_refreshes_while_the_others_get_the_stale_answer(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 149
    fabric._life().engine.hot.clear()  # the store has it still
    refresher = await missed(fabric, ask(QUESTION))
    for _ in range(3):
        other = await found(fabric, ask(QUESTION))
        assert (other.stale, other.tier, other.entry.payload) == (True, "exact", "By post.")
    await fabric.store(refresher.ticket, "By courier.")
    fresh = await found(fabric, ask(QUESTION))
    assert (fresh.stale, fresh.entry.payload) == (False, "By courier.")
    figures = await fabric.get_metrics()
    assert (figures["stale"], figures["hits"], figures["misses"]) == (3, 1, 2)


async def test_the_hot_tier_keeps_a_stale_answer_for_when_the_store_is_down(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_if_error=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    await fabric._life().parts.store.aclose()
    assert await fabric.get_or_call(ask(QUESTION), failing) == "By post."


async def test_a_refresher_that_gives_up_hands_over(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    refresher = await missed(fabric, ask(QUESTION))
    await fabric.release(refresher.ticket)
    await missed(fabric, ask(QUESTION))
    assert (await found(fabric, ask(QUESTION))).stale


async def test_after_its_windows_an_answer_is_gone(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50, stale_if_error=20)
    await answered(fabric, ask(QUESTION))
    clock.now += 150
    assert (await missed(fabric, ask(QUESTION))).ticket.stale is None
    assert (await fabric.inspect()).answers == {}


async def test_a_paraphrase_never_gets_a_stale_answer_and_leaves_it_in_place(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    await missed(fabric, ask(PARAPHRASE))
    await missed(fabric, ask(QUESTION))
    assert (await found(fabric, ask(QUESTION))).stale


async def test_another_process_refreshing_ends_the_staleness_here(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    hot = fabric._life().engine.hot
    exact = (await found(fabric, ask(QUESTION))).entry.exact
    before = hot.get(exact)
    assert before is not None
    clock.now += 101
    await answered(fabric, ask(QUESTION), "By courier.")
    hot.put(exact, before, 60)  # as if the store had been written by another process
    fresh = await found(fabric, ask(QUESTION))
    assert (fresh.stale, fresh.entry.payload) == (False, "By courier.")


async def test_get_or_call_refreshes_in_the_background(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    gate, calls = asyncio.Event(), 0

    async def model() -> str:
        nonlocal calls
        calls += 1
        await gate.wait()
        return "By courier."

    asking = [fabric.get_or_call(ask(QUESTION), model) for _ in range(5)]
    assert await asyncio.gather(*asking) == ["By post."] * 5
    gate.set()
    await asyncio.gather(*fabric._refreshes)
    assert await fabric.get_or_call(ask(QUESTION), model) == "By courier."
    assert calls == 1


async def test_a_background_refresh_that_fails_disturbs_nobody(
    make: Make, ask: Ask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    assert await fabric.get_or_call(ask(QUESTION), failing) == "By post."
    await asyncio.gather(*fabric._refreshes)
    assert "a stale answer was not refreshed: ConnectionError" in caplog.text
    await fabric.flush()
    assert len(fabric._life().engine.flights) == 0


async def test_closing_ends_a_background_refresh(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    assert await fabric.get_or_call(ask(QUESTION), asyncio.Event().wait) == "By post."
    await fabric.aclose()
    assert not fabric._refreshes


def test_in_blocking_code_the_first_caller_refreshes(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_while_revalidate=50)
    blocking = fabric.sync
    blocking.get_or_call(ask(QUESTION), lambda: "By post.")
    clock.now += 101
    seen: list[str] = []

    def model() -> str:
        other = threading.Thread(
            target=lambda: seen.append(blocking.get_or_call(ask(QUESTION), failing_at_once))
        )
        other.start()
        other.join(30)
        return "By courier."

    assert blocking.get_or_call(ask(QUESTION), model) == "By courier."
    assert seen == ["By post."]


async def failing() -> str:
    raise ConnectionError("the provider is down")


def failing_at_once() -> str:
    raise ConnectionError("the provider is down")


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_stale_answer_stands_in_for_a_failed_call(
    make: Make, ask: Ask, clock: Clock, blocking: bool
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_if_error=50)

    async def asked() -> Any:
        if blocking:
            return await asyncio.to_thread(fabric.sync.get_or_call, ask(QUESTION), failing_at_once)
        return await fabric.get_or_call(ask(QUESTION), failing)

    await answered(fabric, ask(QUESTION))
    clock.now += 149
    assert await asked() == "By post."
    figures = await fabric.get_metrics()
    assert (figures["stale_if_error"], figures["stale"], figures["misses"]) == (1, 0, 2)
    clock.now += 1
    with pytest.raises(ConnectionError):
        await asked()


async def test_a_host_asks_for_the_stale_answer_in_place_of_a_release(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_if_error=50)
    first = await missed(fabric, ask(QUESTION))
    assert await fabric.stale(first.ticket) is None
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    standing_in = await fabric.stale((await missed(fabric, ask(QUESTION))).ticket)
    assert standing_in is not None
    assert (standing_in.stale, standing_in.entry.payload) == (True, "By post.")
    await fabric.flush()
    assert len(fabric._life().engine.flights) == 0


async def test_an_invalidated_answer_does_not_stand_in(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_if_error=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    begun = await missed(fabric, ask(QUESTION))
    await fabric.invalidate(model="gpt-4o-mini")
    assert await fabric.stale(begun.ticket) is None


async def test_a_cancelled_call_is_no_error(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=100, ttl_jitter=0, stale_if_error=50)
    await answered(fabric, ask(QUESTION))
    clock.now += 101
    task = asyncio.create_task(fabric.get_or_call(ask(QUESTION), asyncio.Event().wait))
    while not len(fabric._life().engine.flights):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_volatile_question_is_kept_for_its_own_time(
    make: Make, ask: Ask, clock: Clock
) -> None:
    fabric = make(ttl_jitter=0, volatile_ttl=60)
    for question in (VOLATILE, QUESTION):
        await answered(fabric, ask(question))
    clock.now += 60
    await missed(fabric, ask(VOLATILE))
    await found(fabric, ask(QUESTION))


async def test_a_volatile_question_bypasses_where_it_shall(make: Make, ask: Ask) -> None:
    fabric = make(volatile="bypass")
    passed = await fabric.lookup(ask(VOLATILE))
    assert isinstance(passed, Bypass)
    assert passed.reason == "volatile question"
    assert await fabric.store(ask(VOLATILE), "Sunny.") is None
    await answered(fabric, ask(VOLATILE, options=CacheOptions(ttl=5)))


async def test_a_requests_ttl_is_that_of_its_answer(make: Make, ask: Ask, clock: Clock) -> None:
    fabric = make(ttl=1000, ttl_jitter=0)
    await answered(fabric, ask(QUESTION, options=CacheOptions(ttl=10)))
    clock.now += 9
    await found(fabric, ask(QUESTION))
    clock.now += 1
    await missed(fabric, ask(QUESTION))


async def test_no_store_looks_nothing_up_and_keeps_nothing(make: Make, ask: Ask) -> None:
    fabric = make()
    private = ask(QUESTION, options=CacheOptions(no_store=True))
    assert await fabric.get_or_call(private, lambda: "secret") == "secret"
    assert await fabric.store(private, "secret") is None
    await answered(fabric, ask(QUESTION))
    assert await fabric.get_or_call(private, lambda: "secret") == "secret"
    figures = await fabric.get_metrics()
    assert (figures["bypassed"], figures["misses"], figures["hits"]) == (2, 1, 0)


async def test_refresh_calls_the_model_and_replaces_the_answer(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION))
    asked = ask(QUESTION, options=CacheOptions(refresh=True))
    assert await fabric.get_or_call(asked, lambda: "By courier.") == "By courier."
    await fabric.flush()
    for question in (QUESTION, PARAPHRASE):
        assert (await found(fabric, ask(question))).entry.payload == "By courier."


async def test_a_policy_judges_one_request(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION))
    await missed(fabric, ask(PARAPHRASE, options=CacheOptions(policy=ExactOnly())))
    await missed(fabric, ask(PARAPHRASE, options=CacheOptions(policy=Threshold(0.9999))))
    await found(fabric, ask(PARAPHRASE))


async def test_a_policy_by_meaning_works_in_a_fabric_that_has_none(ask: Ask) -> None:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
    by_meaning = CacheOptions(policy=Threshold())
    await answered(fabric, ask(QUESTION, options=by_meaning))
    assert (await found(fabric, ask(PARAPHRASE, options=by_meaning))).tier == "semantic"
    await missed(fabric, ask(PARAPHRASE))
    await fabric.aclose()


async def test_tags_are_kept_with_the_answer(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION, options=CacheOptions(tags=("shop", "returns"))))
    assert (await found(fabric, ask(QUESTION))).entry.tags == ("returns", "shop")
