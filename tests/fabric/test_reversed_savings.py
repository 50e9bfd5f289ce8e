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
    assert (event.micros, event.tokens) == (found.entry.cost_micros, 2_000)
    after = await fabric.get_metrics()
    assert (before["tokens_saved"], after["tokens_saved"]) == (2_000, 0)
    assert after["cost_saved"] == 0.0


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
