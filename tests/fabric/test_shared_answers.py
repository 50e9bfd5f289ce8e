"""A caller who read another one's answer as it came is counted as one lookup."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cache_fabric import CacheFabric, CacheRequest, ExactOnly, Hit, Miss, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.types import Ticket

Ask = Callable[..., CacheRequest]


@pytest.fixture
def events() -> list[Event]:
    return []


async def begun(fabric: CacheFabric, request: CacheRequest) -> Ticket:
    ticket = await fabric.begin(request)
    assert isinstance(ticket, Ticket)
    return ticket


@pytest.mark.parametrize("blocking", [False, True])
async def test_who_shares_a_kept_answer_has_a_hit(
    ask: Ask, events: list[Event], blocking: bool
) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), hooks=[events.append])
    leading, following = await begun(fabric, ask("Open?")), await begun(fabric, ask("Open?"))
    missed = await fabric.lookup(leading)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "Until six.")
    shared = (fabric.sync if blocking else fabric).joined(following)
    await fabric.aclose()
    assert isinstance(shared, Hit)
    assert (shared.tier, shared.entry.payload) == ("flight", "Until six.")
    assert following.closed
    outcomes = [(e.outcome, e.tier) for e in events if isinstance(e, LookupEvent)]
    assert outcomes == [("miss", None), ("hit", "flight")]


async def test_who_shares_an_answer_that_is_not_kept_has_a_miss(
    ask: Ask, events: list[Event]
) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), hooks=[events.append])
    following = await begun(fabric, ask("Open?"))
    shared = fabric.joined(following)
    assert isinstance(shared, Miss)
    await fabric.release(shared.ticket)
    await fabric.aclose()
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["miss"]
