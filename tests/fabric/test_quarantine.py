"""A bad vote takes an answer out of every tier; what undoes it brings it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    Miss,
    create_cache_fabric,
)
from cache_fabric.stores.base import Record
from cache_fabric.stores.sqlite import SqliteStore
from fabric.conftest import PATIENT
from voting import Nearest, a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]
RETURN = "How do I return an item?"
RETURN_TOO = "How can I return an item?"
HOURS = "When does the shop open?"


async def test_a_bad_vote_takes_the_answer_out_of_every_tier(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(RETURN))
    await answered(any_fabric, ask(HOURS))
    found = await hit(any_fabric, ask(RETURN))
    (effect,) = await cast(any_fabric, a_vote(found))
    assert (effect.entry_id, effect.action) == (entry_id, "quarantined")
    assert await missed(any_fabric, ask(RETURN))
    assert await missed(any_fabric, ask(RETURN_TOO))
    assert not await missed(any_fabric, ask(HOURS))
    assert await any_fabric.get_entry(entry_id) is None


async def test_restore_brings_back_the_same_bytes_under_the_same_id(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(RETURN))
    before = await any_fabric.get_entry(entry_id)
    await cast(any_fabric, a_vote(await hit(any_fabric, ask(RETURN_TOO))))
    assert await missed(any_fabric, ask(RETURN_TOO))
    effect = await any_fabric.restore_answer(entry_id, by="olga", why="it was right")
    assert (effect.action, effect.reason) == ("restored", "it was right")
    assert await any_fabric.get_entry(entry_id) == before
    assert (await hit(any_fabric, ask(RETURN))).entry == before
    assert (await hit(any_fabric, ask(RETURN_TOO))).tier == "semantic"


async def test_the_answer_of_a_miss_can_be_bad_too(fabric: CacheFabric, ask: Ask) -> None:
    result = await fabric.lookup(ask(RETURN))
    assert isinstance(result, Miss)
    await fabric.store(result.ticket, "x")
    (effect,) = await cast(fabric, a_vote(result))
    assert effect.action == "quarantined"
    assert await missed(fabric, ask(RETURN))
    await fabric.flush()
    assert (await fabric.inspect()).answers == {}


async def test_an_answer_that_is_found_bad_before_it_comes_is_not_kept(
    fabric: CacheFabric, ask: Ask
) -> None:
    result = await fabric.lookup(ask(RETURN))
    assert isinstance(result, Miss)
    await cast(fabric, a_vote(result))
    assert await fabric.store(result.ticket, "x") is None
    await fabric.flush()
    assert (await fabric.inspect()).answers == {}
    assert (await fabric.get_metrics())["answers"]["refused"] == 1


async def test_an_answer_that_is_found_bad_while_it_is_handed_over_is_not_kept(
    fabric: CacheFabric, ask: Ask
) -> None:
    result = await fabric.lookup(ask(RETURN))
    assert isinstance(result, Miss)
    life = fabric._life()
    prepared = life.caller_side.prepare(result.ticket, "x", None, None)
    await cast(fabric, a_vote(result))
    life.settle(prepared)
    await fabric.flush()
    assert (await fabric.inspect()).answers == {}
    assert await missed(fabric, ask(RETURN))


async def test_after_a_bad_semantic_hit_near_twins_are_refused_and_others_served(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    ask = partial(ask, options=CacheOptions(policy=Nearest()))
    served, asked = "How do I return a jacket?", "How do I return a jacket in a shop?"
    await answered(any_fabric, ask(served))
    found = await hit(any_fabric, ask(asked))
    assert found.tier == "semantic"
    await cast(any_fabric, a_vote(found))
    await answered(any_fabric, ask(served), "a fresh one")
    assert await missed(any_fabric, ask(asked))
    assert await missed(any_fabric, ask("How can I return a jacket in a shop?"))
    assert (await hit(any_fabric, ask("How can I return a jacket?"))).tier == "semantic"


async def test_before_the_verdicts_are_read_nothing_is_served_by_meaning(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = partial(ask, options=CacheOptions(policy=Nearest()))
    served, asked = "How do I return a jacket?", "How do I return a jacket in a shop?"
    async with create_cache_fabric("local", path=tmp_path, config=PATIENT) as first:
        await answered(first, ask(served))
        await cast(first, a_vote(await hit(first, ask(asked))))
        await answered(first, ask(served), "a fresh one")
    read, may_read = SqliteStore.records, asyncio.Event()

    async def slow(store: SqliteStore, prefix: str) -> Sequence[Record]:
        if prefix == "k/":
            await may_read.wait()
        return await read(store, prefix)

    monkeypatch.setattr(SqliteStore, "records", slow)
    config = FabricConfig(exact_timeout=0.5, semantic_timeout=30)
    async with create_cache_fabric("local", path=tmp_path, config=config) as second:
        found = await second.lookup(ask(asked))
        may_read.set()
        assert isinstance(found, Miss)
        assert found.degraded == "verdicts"
        await second.release(found.ticket)
        await second.list_answers()
        assert await missed(second, ask(asked))
        assert (await hit(second, ask("How can I return a jacket?"))).tier == "semantic"


async def test_a_correction_is_served_from_then_on(any_fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(any_fabric, ask(RETURN))
    found = await hit(any_fabric, ask(RETURN))
    effects = await cast(any_fabric, a_vote(found, correction="Bring it to any shop."))
    assert [effect.action for effect in effects] == ["quarantined", "pinned"]
    assert effects[1].entry_id != entry_id
    served = await hit(any_fabric, ask(RETURN))
    assert (served.entry.payload, served.entry.text) == ("Bring it to any shop.",) * 2
    assert served.entry.id == effects[1].entry_id
    assert served.reason == "a person's answer, same request"
    by_meaning = await hit(any_fabric, ask(RETURN_TOO))
    assert (by_meaning.tier, by_meaning.entry.id) == ("semantic", effects[1].entry_id)
