"""Answers taken back: which ones, for how long, and what is being answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    ContextScope,
    Hit,
    Miss,
    create_cache_fabric,
)
from cache_fabric.errors import ValidationError
from cache_fabric.selector import Retirements, Selector
from cache_fabric.types import CacheEntry, KeySet

Ask = Callable[..., CacheRequest]
RETURN = "How do I return an item?"
RETURN_TOO = "How can I return an item?"
HOURS = "When does the shop open?"


async def answered(fabric: CacheFabric, request: CacheRequest) -> str:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    entry_id = await fabric.store(missed.ticket, "x")
    assert entry_id is not None
    return entry_id


async def kept(fabric: CacheFabric, request: CacheRequest) -> bool:
    result = await fabric.lookup(request)
    if isinstance(result, Miss):
        await fabric.release(result.ticket)
    return isinstance(result, Hit)


def tagged(ask: Ask, question: str, *tags: str) -> CacheRequest:
    return ask(question, options=CacheOptions(tags=tags))


async def test_a_tag_takes_its_answers_out_of_every_tier(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, tagged(ask, RETURN, "returns", "shop"))
    await answered(any_fabric, tagged(ask, HOURS, "hours", "shop"))
    done = await any_fabric.invalidate(tag="returns")
    assert (done.count, done.dry_run) == (1, False)
    assert not await kept(any_fabric, ask(RETURN))
    assert not await kept(any_fabric, ask(RETURN_TOO))
    assert await kept(any_fabric, ask(HOURS))


async def test_a_dry_run_counts_and_deletes_nothing(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, tagged(ask, RETURN, "shop"))
    done = await any_fabric.invalidate(tag="shop", dry_run=True)
    assert (done.count, done.dry_run, done.revision) == (1, True, None)
    assert await kept(any_fabric, ask(RETURN))


async def test_an_entry_goes_by_its_id_and_no_other_with_it(fabric: CacheFabric, ask: Ask) -> None:
    one = await answered(fabric, ask(RETURN))
    await answered(fabric, ask(HOURS))
    assert (await fabric.invalidate(entry=one)).count == 1
    assert (await fabric.invalidate(entry=one)).count == 0
    assert not await kept(fabric, ask(RETURN))
    assert await kept(fabric, ask(HOURS))


async def test_a_context_goes_with_all_its_versions_and_scopes(
    fabric: CacheFabric, ask: Ask
) -> None:
    requests = []
    for text in ("You are terse.", "You are kind."):
        await fabric.set_context("support", text)
        requests.append(ask(RETURN, system=text))
    await fabric.set_context("support", "You are acme.", ContextScope.TENANT, tenant="acme")
    requests.append(ask(RETURN, system="You are acme.", tenant="acme"))
    for request in (*requests, ask(RETURN)):
        await answered(fabric, request)
    assert (await fabric.invalidate(context="support")).count == 3
    assert [await kept(fabric, request) for request in requests] == [False] * 3
    assert await kept(fabric, ask(RETURN))


async def test_all_that_is_named_must_fit(fabric: CacheFabric, ask: Ask) -> None:
    for tenant in ("acme", "globex"):
        for question in (RETURN, HOURS):
            tags = CacheOptions(tags=("r",) if question == RETURN else ())
            await answered(fabric, ask(question, tenant=tenant, options=tags))
    assert (await fabric.invalidate(tenant="acme", tag="r", model="other")).count == 0
    assert (await fabric.invalidate(tenant="acme", tag="r", model="gpt-4o-mini")).count == 1
    assert (await fabric.invalidate(tenant="acme")).count == 1
    assert (await fabric.invalidate(model="gpt-4o-mini")).count == 2


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "invalidate: expected at least one of entry, context, tenant, user, tag, model"),
        ({"tag": ""}, "tag: expected text"),
        ({"tenant": 7}, "tenant: expected text"),
    ],
)
async def test_a_mistake_is_named_and_nothing_is_deleted(
    fabric: CacheFabric, ask: Ask, given: dict[str, Any], named: str
) -> None:
    await answered(fabric, ask(RETURN))
    with pytest.raises(ValidationError, match=named):
        await fabric.invalidate(**given)
    assert await kept(fabric, ask(RETURN))


async def test_an_answer_begun_before_is_given_and_not_kept(fabric: CacheFabric, ask: Ask) -> None:
    begun = [await fabric.lookup(tagged(ask, q, "shop")) for q in (RETURN, HOURS)]
    untouched = await fabric.lookup(ask("What is a tulip?"))
    await fabric.invalidate(tag="shop")
    for result in (*begun, untouched):
        assert isinstance(result, Miss)
        await fabric.store(result.ticket, "old")
    await fabric.flush()
    assert not await kept(fabric, ask(RETURN))
    assert not await kept(fabric, ask(HOURS))
    assert await kept(fabric, ask("What is a tulip?"))
    await answered(fabric, tagged(ask, RETURN, "shop"))
    assert await kept(fabric, ask(RETURN))


async def test_more_answers_than_fit_one_note_are_all_taken_back(
    fabric: CacheFabric, ask: Ask
) -> None:
    for number in range(1_100):
        await answered(fabric, tagged(ask, f"question {number}", "many"))
    assert (await fabric.invalidate(tag="many")).count == 1_100
    assert (await fabric.inspect()).answers == {}


async def test_deletions_are_durable_in_store_and_index(tmp_path: Path, ask: Ask) -> None:
    async with create_cache_fabric("local", path=tmp_path / "kept") as fabric:
        await answered(fabric, tagged(ask, RETURN, "shop"))
        await fabric.invalidate(tag="shop")
    async with create_cache_fabric("local", path=tmp_path / "kept") as fabric:
        assert (await fabric.inspect()).answers == {}
        assert await fabric._life().parts.index.count() == 0


async def test_answers_are_listed_newest_first(fabric: CacheFabric, ask: Ask) -> None:
    for number in range(3):
        await answered(fabric, tagged(ask, f"question {number}", "t"))
    await answered(fabric, ask(HOURS))
    found = await fabric.list_answers(tag="t", limit=2)
    assert [entry.question for entry in found] == ["question 2", "question 1"]
    assert len(await fabric.list_answers()) == 4
    with pytest.raises(ValidationError, match="limit: expected a whole number above 0"):
        await fabric.list_answers(limit=0)


def test_only_so_many_retirements_are_remembered() -> None:
    retirements = Retirements()
    for number in range(2_000):
        retirements.add(Selector(tag=str(number)), float(number))
        retirements.add(Selector(tag="again"), float(number))
    assert len(retirements._latest) == 1_000


async def test_who_asks_after_it_is_not_given_an_answer_that_was_begun_before(
    fabric: CacheFabric, ask: Ask
) -> None:
    request = ask(HOURS)
    begun = await fabric.lookup(request)
    assert isinstance(begun, Miss)
    await fabric.invalidate(model=request.model)
    waiting = asyncio.create_task(fabric.lookup(request))
    engine = fabric._life().engine
    while not engine.flights.is_awaited(begun.ticket.keys.exact):
        await asyncio.sleep(0.001)
    assert await fabric.store(begun.ticket, "At nine, as before.") is None
    found = await waiting
    assert isinstance(found, Miss)
    assert await fabric.store(found.ticket, "At ten.") is not None
    assert (await fabric.lookup(request)).entry.text == "At ten."  # type: ignore[union-attr]


async def test_a_lookup_that_is_under_way_does_not_serve_what_was_read_before(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = await answered(fabric, ask(HOURS))
    await fabric.flush()
    engine = fabric._life().engine
    engine.hot.clear()
    find = engine.exact.find

    async def find_and_wait(keys: KeySet) -> CacheEntry | None:
        entry = await find(keys)
        await fabric._life().invalidations.apply(Selector(entry=entry_id), dry_run=False)
        return entry

    monkeypatch.setattr(engine.exact, "find", find_and_wait)
    found = await fabric.lookup(ask(HOURS))
    assert isinstance(found, Miss)
    assert found.reason == "taken back meanwhile"
