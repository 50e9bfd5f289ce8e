"""A quarantined answer is served from nowhere: not stale, queued, hot, judged or put back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
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
    Verified,
    create_cache_fabric,
)
from cache_fabric.errors import BackendError, BackendUnavailable, NotFound
from cache_fabric.records import Resync
from cache_fabric.stores.base import Write
from cache_fabric.stores.memory import MemoryStore
from fabric.conftest import Clock
from voting import Nearest, a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]
Q, Q_TOO = "How do I return an item?", "How can I return an item?"
NEAREST = CacheOptions(policy=Nearest())


async def test_a_ticket_that_holds_it_stale_does_not_serve_it(ask: Ask, clock: Clock) -> None:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, ttl=60, stale_if_error=600)
    store = MemoryStore("default", clock=clock)
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        await answered(fabric, ask(Q))
        found = await hit(fabric, ask(Q))
        clock.now += 61
        stale = await fabric.lookup(ask(Q))
        assert isinstance(stale, Miss)
        assert stale.ticket.stale is not None
        await cast(fabric, a_vote(found))
        assert await fabric.stale(stale.ticket) is None


async def test_a_revalidation_does_not_hand_it_out(ask: Ask, clock: Clock) -> None:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, ttl=60, stale_while_revalidate=600)
    store = MemoryStore("default", clock=clock)
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        await answered(fabric, ask(Q))
        found = await hit(fabric, ask(Q))
        clock.now += 61
        refreshing = await fabric.lookup(ask(Q))
        assert isinstance(refreshing, Miss)
        other = await hit(fabric, ask(Q))
        assert other.stale
        await cast(fabric, a_vote(found))
        assert isinstance(await fabric.lookup(ask(Q, options=CacheOptions(refresh=True))), Miss)
        await fabric.release(refreshing.ticket)
        assert await missed(fabric, ask(Q))


class SlowStore(MemoryStore):
    """A store whose writes of answers wait."""

    def __init__(self) -> None:
        super().__init__("default")
        self.may_write = asyncio.Event()

    async def set_many(self, writes: Any) -> None:
        await self.may_write.wait()
        await super().set_many(writes)


async def test_one_that_is_still_being_written_never_lands(ask: Ask) -> None:
    store = SlowStore()
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        result = await fabric.lookup(ask(Q))
        assert isinstance(result, Miss)
        entry_id = await fabric.store(result.ticket, "x")
        while not fabric._life().engine.queue._writing:
            await asyncio.sleep(0)
        voting = asyncio.create_task(cast(fabric, a_vote(result)))
        while not fabric._life().engine.verdicts.marks:
            await asyncio.sleep(0)
        assert await missed(fabric, ask(Q))
        store.may_write.set()
        await voting
        assert [key async for key, _ in store.scan("a/")] == []
        assert (await fabric.restore_answer(entry_id or "")).action == "restored"
        assert (await hit(fabric, ask(Q))).entry.id == entry_id


async def test_one_that_a_verifier_is_asked_about_is_not_served_after_all(ask: Ask) -> None:
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def verifier(question: str, kept: str, answer: str) -> float:
        asked.set()
        await goes_on.wait()
        return 1.0

    policy = Verified(max_error=0.4, reask=0.0, verifier=verifier, verifier_timeout=60)
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    async with create_cache_fabric("memory", policy=policy, config=config) as fabric:
        await answered(fabric, ask(Q))
        found = await hit(fabric, ask(Q))
        engine = fabric._life().engine
        real = engine._verification.ask

        async def ask_anyway(ticket: Any, policy: Any, candidates: Any) -> None:
            await verifier("", "", "")
            await real(ticket, replace(policy, verifier=None), candidates)

        engine._verification.ask = ask_anyway  # type: ignore[method-assign]
        looking = asyncio.create_task(fabric.lookup(ask(Q_TOO)))
        await asked.wait()
        await cast(fabric, a_vote(found))
        goes_on.set()
        result = await looking
        assert isinstance(result, Miss)
        assert result.reason == "taken back meanwhile"


async def test_a_copy_that_comes_back_into_the_store_is_not_served(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    """As a crash between the two steps, or a slow process, may leave one."""
    await answered(any_fabric, ask(Q))
    found = await hit(any_fabric, ask(Q))
    key = "a/" + found.entry.exact
    data = await any_fabric._run(lambda life: life.parts.store.get(key))
    assert data is not None
    await cast(any_fabric, a_vote(found))
    await any_fabric._run(lambda life: life.parts.store.set_many([Write(key, data)]))
    await any_fabric.reindex()
    any_fabric._life().engine.hot.put(found.entry.exact, data, 60.0)
    assert await missed(any_fabric, ask(Q))
    assert await missed(any_fabric, ask(Q_TOO))
    assert await any_fabric.list_answers() == []
    other = await answered(any_fabric, ask("In which way can I return an item?"))
    assert (await hit(any_fabric, ask(Q_TOO, options=NEAREST))).entry.id == other
    # What is fresh is not in its way.
    await answered(any_fabric, ask(Q), "fresh")
    assert (await hit(any_fabric, ask(Q))).entry.text == "fresh"


async def test_a_process_that_lost_the_log_does_not_serve_it(ask: Ask) -> None:
    store = MemoryStore("default")
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)

    async def made() -> CacheFabric:
        return create_cache_fabric("memory", store=store, config=config, policy=Threshold())

    one, other = await made(), await made()
    await answered(one, ask(Q))
    for _ in range(2):
        found = await hit(other, ask(Q))
    assert found.tier == "hot"
    live = other._life().contexts.live
    await other._run(lambda life: life.contexts.live.stop())
    await cast(one, a_vote(found, correction="Bring it."))
    await one._run(lambda life: life.parts.store.clear("a/"))

    async def resync(life: Any) -> None:
        await live._snapshot()
        live.tell("changed", Resync(revision=7, reason="trimmed"))

    await other._run(resync)
    assert (await hit(other, ask(Q))).entry.text == "Bring it."
    for fabric in (one, other):
        await fabric.aclose()


async def test_a_newer_answer_stays_when_an_older_one_is_restored(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(Q))
    await cast(any_fabric, a_vote(await hit(any_fabric, ask(Q))))
    fresh = await answered(any_fabric, ask(Q), "fresh")
    effect = await any_fabric.restore_answer(entry_id)
    assert (effect.action, effect.reason) == (
        "restored",
        "a newer answer to its question is served",
    )
    assert (await hit(any_fabric, ask(Q))).entry.id == fresh
    assert (await hit(any_fabric, ask(Q_TOO))).entry.id == fresh


async def test_an_answer_that_is_gone_keeps_its_votes(fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    await fabric.invalidate(entry=entry_id)
    (effect,) = await cast(fabric, a_vote(found))
    assert (effect.action, effect.reason) == ("quarantined", "the answer was gone already")
    both = await cast(fabric, a_vote(found, correction="Bring it."))
    assert both[1].action == "none"
    assert "gone" in both[1].reason
    assert (await fabric.explain(entry_id)).state == "quarantined"  # type: ignore[union-attr]


async def test_what_nobody_knows_cannot_be_retired_or_restored(fabric: CacheFabric) -> None:
    for act in (fabric.retire_answer, fabric.restore_answer):
        with pytest.raises(NotFound):
            await act("0" * 64 + ".00000000")


class BrokenRecords(MemoryStore):
    """A store whose records cannot be written for a while."""

    broken = False

    async def commit(self, *args: Any, **named: Any) -> int:
        if self.broken:
            raise BackendUnavailable("store", "commit", "gone")
        return await super().commit(*args, **named)


async def test_a_fault_goes_to_whoever_gives_the_feedback_and_to_no_lookup(ask: Ask) -> None:
    store = BrokenRecords("default")
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        await answered(fabric, ask(Q))
        vote = a_vote(await hit(fabric, ask(Q)))
        store.broken = True
        with pytest.raises(BackendError):
            await cast(fabric, vote)
        assert isinstance(await fabric.lookup(ask(Q)), Hit)
        store.broken = False
        assert (await cast(fabric, vote))[0].action == "quarantined"
        assert await missed(fabric, ask(Q))


@pytest.fixture
async def patient() -> AsyncIterator[CacheFabric]:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, join_paraphrases=30)
    made = create_cache_fabric("memory", policy=Threshold(), config=config)
    yield made
    await made.aclose()


async def test_a_near_twin_does_not_join_the_question_that_was_wrong_for_it(
    patient: CacheFabric, ask: Ask
) -> None:
    await answered(patient, ask(Q))
    await cast(patient, a_vote(await hit(patient, ask(Q_TOO))))
    leading = await patient.lookup(ask(Q))
    assert isinstance(leading, Miss)
    other = asyncio.create_task(patient.lookup(ask(Q_TOO)))
    flights = patient._life().engine.flights
    while not other.done() and not flights.is_awaited(leading.ticket.keys.exact):
        await asyncio.sleep(0)
    await patient.store(leading.ticket, "fresh")
    assert isinstance(await other, Miss)
