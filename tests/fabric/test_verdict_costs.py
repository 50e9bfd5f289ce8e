"""Verdicts cost a lookup no I/O, and are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Threshold,
    case_keeping,
    create_cache_fabric,
    live_verdicts,
)
from cache_fabric.errors import ValidationError
from cache_fabric.explanation import EntryExplanation
from cache_fabric.stores.base import Write
from cache_fabric.stores.memory import MemoryStore
from voting import a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]
Q, Q_TOO, HOURS = "How do I return an item?", "How can I return an item?", "When do you open?"


class Counting(MemoryStore):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__("default")
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "get_many", "read", "records", "commit", "set_many", "delete"):
            object.__setattr__(self, "calls", object.__getattribute__(self, "calls") + 1)
        return super().__getattribute__(name)


async def test_a_lookup_asks_the_store_for_nothing_more(ask: Ask) -> None:
    store = Counting()
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, share_flights=False)
    made = create_cache_fabric("memory", store=store, config=config, policy=Threshold())
    async with made as fabric:
        await answered(fabric, ask(Q))

        async def cost(request: CacheRequest) -> int:
            await fabric.flush()
            before = store.calls
            await missed(fabric, request)
            return store.calls - before

        plain = [await cost(ask(q)) for q in (Q_TOO, HOURS, Q)]
        entry_id = await answered(fabric, ask(HOURS))
        await fabric.pin_answer(entry_id, answer="At nine.")
        for number in range(3):
            await answered(fabric, ask(f"number {number}"))
            await cast(fabric, a_vote(await hit(fabric, ask(f"number {number}"))))
        judged = [await cost(ask(q)) for q in (Q_TOO, "Where is it?", Q)]
        assert judged == plain
        assert await cost(ask(HOURS)) == 0


async def test_a_flood_of_votes_on_one_answer_stays_small(fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    votes = [a_vote(found, by=f"ann {n % 7}", trusted=False) for n in range(600)]
    await asyncio.gather(*(cast(fabric, vote) for vote in votes))
    case = await fabric._run(lambda life: life.verdicts.cases.find(entry_id))
    assert case is not None
    assert len(case.votes) <= 256
    assert {vote.annotator for vote in case.votes} == {f"ann {n}" for n in range(7)}


async def test_of_too_many_quarantined_answers_the_oldest_cannot_be_restored(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_keeping, "_MOST_QUARANTINED", 3)
    ids = []
    for number in range(5):
        ids.append(await answered(fabric, ask(f"number {number}")))
        await fabric.retire_answer(ids[-1], by="olga")
    assert [e.id for e in await fabric.list_answers(state="quarantined")] == ids[:1:-1]
    told = await fabric.explain(ids[0])
    assert isinstance(told, EntryExplanation)
    assert (told.state, told.history[1].by) == ("quarantined", "olga")
    assert (await fabric.restore_answer(ids[0])).action == "restored"
    assert await missed(fabric, ask("number 0"))


async def test_one_whose_bytes_are_dropped_is_not_served_again_from_where_a_late_write_left_it(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_keeping, "_MOST_QUARANTINED", 1)
    first = await answered(fabric, ask("number 0"))
    store, key = fabric._life().parts.store, f"a/{first.partition('.')[0]}"
    data = await store.get(key)
    assert data is not None
    await fabric.retire_answer(first)
    await store.set_many([Write(key, data)])
    for number in (1, 2):
        await fabric.retire_answer(await answered(fabric, ask(f"number {number}")))
    assert await missed(fabric, ask("number 0"))


async def test_cases_and_accounts_of_long_ago_make_room(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_keeping, "_MOST_OF_A_SHARD", 2)
    monkeypatch.setattr(case_keeping, "_SWEEP", 1)
    monkeypatch.setattr(case_keeping, "_SHARD_DIGITS", 0)
    for number in range(6):
        await answered(fabric, ask(f"number {number}"))
        found = await hit(fabric, ask(f"number {number}"))
        await cast(fabric, a_vote(found, "good", at=number))
    bad = a_vote(await hit(fabric, ask("number 0")), by="old", at=0.0)
    await cast(fabric, bad, a_vote(await hit(fabric, ask("number 1")), "good"))
    cases = await fabric._run(lambda life: life.parts.store.records("j/"))
    assert len(cases) == 2
    assert await missed(fabric, ask("number 0"))
    assert await fabric._run(lambda life: life.parts.store.records("w/")) == []


async def test_only_so_many_answers_can_be_pinned(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_verdicts, "_MOST_PINNED", 1)
    one, two = [await answered(fabric, ask(q)) for q in (Q, HOURS)]
    await fabric.pin_answer(one)
    with pytest.raises(ValidationError, match="pin: too many answers are pinned"):
        await fabric.pin_answer(two)
    effects = await cast(fabric, a_vote(await hit(fabric, ask(HOURS)), correction="At ten."))
    assert [effect.action for effect in effects] == ["quarantined", "none"]
    assert "too many" in effects[1].reason
