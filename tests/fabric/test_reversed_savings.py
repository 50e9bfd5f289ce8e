"""What a bad answer had seemed to save is taken back once, and booked again once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Threshold,
    Usage,
    create_cache_fabric,
)
from cache_fabric.instrumentation.events import Event, ReversalEvent
from voting import a_vote, answered, cast, hit

Ask = Callable[..., CacheRequest]
Q = "How do I return an item?"
DEAR = {"input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3}


@pytest.fixture
async def heard() -> AsyncIterator[tuple[CacheFabric, list[ReversalEvent]]]:
    events: list[ReversalEvent] = []

    def hear(event: Event) -> None:
        if isinstance(event, ReversalEvent):
            events.append(event)

    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    made = create_cache_fabric("memory", policy=Threshold(), config=config, hooks=[hear])
    yield made, events
    await made.aclose()


async def priced(fabric: CacheFabric, request: CacheRequest) -> None:
    found = await fabric.lookup(request)
    usage = Usage(input_tokens=1_000, output_tokens=1_000)
    await fabric.store(found.ticket, "By post.", usage=usage)  # type: ignore[union-attr]


async def test_a_saving_is_taken_back_once_however_often_the_vote_is_given(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    fabric, events = heard
    await priced(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    before = await fabric.get_metrics()
    for _ in range(3):
        await cast(fabric, a_vote(found, run="r"))
    (event,) = events
    assert (event.entry_id, event.execution_id, event.again) == (found.entry.id, "r", False)
    assert (event.micros, event.tokens) == (found.saved_micros, 2_000)
    after = await fabric.get_metrics()
    assert (before["tokens_saved"], after["tokens_saved"]) == (2_000, 0)
    assert after["cost_saved"] == 0.0


async def test_a_run_that_was_served_it_often_takes_all_of_that_back(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    fabric, events = heard
    await priced(fabric, ask(Q))
    results = [await hit(fabric, ask(Q)) for _ in range(3)]
    await fabric.track_execution("r", "g", {"output": "By post."}, answers=results)
    await fabric.record_feedback("r", {"user_rating": 1})
    (event,) = events
    assert event.micros == 3 * (results[0].saved_micros or 0) > 0
    assert event.tokens == 6_000
    found = await fabric.get_metrics()
    assert (found["cost_saved"], found["tokens_saved"]) == (0.0, 0)


async def test_what_is_taken_back_is_what_the_hit_had_booked(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    """At the price of the hit, not at that of the call, which another process may have had."""
    fabric, _ = heard
    await priced(fabric, ask(Q))
    (kept,) = await fabric.list_answers()
    dearer = create_cache_fabric(
        "memory", store=fabric._life().parts.store, policy=Threshold(), prices={kept.model: DEAR}
    )
    found = await hit(dearer, ask(Q))
    await dearer.track_execution("r", "g", {"output": "By post."}, answers=[found])
    await dearer.record_feedback("r", {"status": "wrong"})
    figures = await dearer.get_metrics()
    await dearer.aclose()
    assert found.saved_micros == 2_000_000 != kept.cost_micros
    assert (figures["cost_avoided"], figures["cost_reversed"]) == (2.0, 2.0)


async def test_an_answer_that_stood_in_for_a_failed_call_saved_nothing(ask: Ask) -> None:
    config = FabricConfig(ttl=1e-6, ttl_jitter=0, stale_if_error=60, exact_timeout=30)
    async with create_cache_fabric("memory", policy=Threshold(), config=config) as fabric:
        await priced(fabric, ask(Q))
        await fabric.flush()
        missed = await fabric.lookup(ask(Q))
        stood_in = await fabric.stale(missed.ticket)  # type: ignore[union-attr]
        assert stood_in is not None
        await fabric.track_execution("r", "g", {"output": "By post."}, answers=[stood_in])
        await fabric.record_feedback("r", {"status": "wrong"})
        figures = await fabric.get_metrics()
    assert figures["stale_if_error"] == 1
    assert (figures["cost_avoided"], figures["cost_reversed"]) == (0.0, 0.0)
    assert (figures["tokens_avoided"], figures["tokens_saved"]) == (0, 0)


@pytest.mark.parametrize("how", ["restored", "replaced", "taken back"])
async def test_it_is_booked_again_once(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask, how: str
) -> None:
    fabric, events = heard
    await priced(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    vote = a_vote(found, run="r")
    await cast(fabric, vote)
    for _ in range(2):
        if how == "restored":
            await fabric.restore_answer(found.entry.id)
        else:
            await cast(fabric, replace(vote, verdict="good" if how == "replaced" else None))
    assert [event.again for event in events] == [False, True]
    assert (await hit(fabric, ask(Q))).entry.id == found.entry.id


async def test_every_run_that_complained_has_its_own(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    fabric, events = heard
    await priced(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    await cast(fabric, a_vote(found, run="r"), a_vote(found, run="s", by="bob"))
    assert {event.execution_id for event in events} == {"r", "s"}
    await fabric.restore_answer(found.entry.id)
    assert [event.again for event in events] == [False, False, True, True]


async def test_the_run_that_the_model_answered_saved_nothing(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    fabric, events = heard
    result = await fabric.lookup(ask(Q))
    await fabric.store(result.ticket, "x")  # type: ignore[union-attr]
    await cast(fabric, a_vote(result))
    assert not events


async def test_a_vote_that_is_held_takes_nothing_back(
    heard: tuple[CacheFabric, list[ReversalEvent]], ask: Ask
) -> None:
    fabric, events = heard
    await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    await cast(fabric, a_vote(found, trusted=False))
    assert not events
