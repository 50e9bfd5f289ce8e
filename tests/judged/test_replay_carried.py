"""What a replay finds unchanged is kept under the other version too, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, ContextScope, Hit, Miss
from cache_fabric.explanation import EntryExplanation
from judged.conftest import KEY, Make
from judged.replays import (
    ANSWERS,
    NEW,
    OLD,
    RETURNS,
    SHIPPING,
    asked,
    opened_shop,
    run,
    same_as_before,
)


@pytest.fixture
async def shop(make: Make) -> CacheFabric:
    return await opened_shop(await make())


async def test_what_is_carried_over_is_found_at_once_under_the_new_version(
    make: Make, shop: CacheFabric
) -> None:
    def model(request: CacheRequest) -> str:
        is_changed = request.messages[-1]["content"] == SHIPPING
        return "On a Friday." if is_changed else same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True)
    assert report.carried == 1
    await shop.flush()
    for fabric in (shop, await make()):
        kept = await fabric.lookup(asked(RETURNS, NEW))
        assert isinstance(kept, Hit)
        assert kept.entry.payload == ANSWERS[RETURNS]
        assert isinstance(await fabric.lookup(asked(SHIPPING, NEW)), Miss)
    near = await shop.lookup(asked("How can I return an item?", NEW))
    assert isinstance(near, Hit)
    assert near.tier == "semantic"


async def test_a_carried_answer_says_where_it_comes_from_and_keeps_its_age(
    shop: CacheFabric,
) -> None:
    before = await shop.lookup(asked(RETURNS))
    assert isinstance(before, Hit)
    report = await shop.replay(context=KEY, version=2, model=same_as_before, carry_over=True)
    row = next(row for row in report.rows if row.question == RETURNS)
    assert row.carried is not None
    entry = await shop.get_entry(row.carried)
    assert entry is not None
    old = before.entry
    assert entry.id != old.id
    assert entry.origin == f"carried over from {old.id}: the same text"
    assert (entry.created, entry.expires, entry.payload) == (old.created, old.expires, old.payload)
    assert entry.contexts == ((f"global\x1f{KEY}", 2),)
    explained = await shop.explain(entry.id)
    assert isinstance(explained, EntryExplanation)
    assert explained.origin == entry.origin
    assert isinstance(await shop.lookup(asked(RETURNS)), Hit)  # the old one stays as it is


async def test_no_cold_start(shop: CacheFabric) -> None:
    await shop.replay(context=KEY, version=2, model=same_as_before, carry_over=True)
    for question in ANSWERS:
        assert isinstance(await shop.lookup(asked(question, NEW)), Hit)


async def test_a_replay_may_go_on_from_what_was_carried_over(shop: CacheFabric) -> None:
    first = await shop.replay(context=KEY, version=2, model=same_as_before, carry_over=True)
    for question in ANSWERS:
        await run(shop, asked(question, NEW), version=2)
    await shop.set_context(KEY, "A third.")
    report = await shop.replay(context=KEY, version=3, model=same_as_before, carry_over=True)
    assert {row.entry_id for row in report.rows} == {row.carried for row in first.rows}
    assert report.carried == len(report.rows) == 2  # each question once, of the newest run
    assert isinstance(await shop.lookup(asked(RETURNS, "A third.")), Hit)


async def test_what_happens_meanwhile_keeps_an_answer_from_being_carried_over(
    shop: CacheFabric,
) -> None:
    async def model(request: CacheRequest) -> str:
        if request.messages[-1]["content"] == SHIPPING:
            missed = await shop.lookup(asked(SHIPPING, NEW))
            assert isinstance(missed, Miss)
            await shop.store(missed.ticket, "On a Friday.")
        else:
            hit = await shop.lookup(asked(RETURNS))
            assert isinstance(hit, Hit)
            await shop.invalidate(entry=hit.entry.id)
        return same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True, concurrency=1)
    reasons = {row.question: row.reason for row in report.rows}
    assert report.carried == 0
    assert reasons == {
        SHIPPING: "the same text; not carried over: it was answered under this version meanwhile",
        RETURNS: "the same text; not carried over: it was taken back",
    }
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)
    fresh = await shop.lookup(asked(SHIPPING, NEW))
    assert isinstance(fresh, Hit)
    assert fresh.entry.payload == "On a Friday."


async def test_a_version_that_changes_meanwhile_carries_nothing_over(shop: CacheFabric) -> None:
    async def model(request: CacheRequest) -> str:
        await shop.set_context(KEY, NEW, change="breaking")
        return same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True)
    assert report.carried == 0
    assert all("another behaviour by now" in row.reason for row in report.rows)


async def test_tenants_stay_apart(shop: CacheFabric) -> None:
    theirs = asked(RETURNS, tenant="acme", user="ann")
    await run(shop, theirs)
    report = await shop.replay(
        context=KEY, version=2, model=same_as_before, tenant="acme", carry_over=True
    )
    assert [row.execution_id for row in report.rows] == [f"run-{RETURNS}-1-acme"]
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)
    assert isinstance(await shop.lookup(asked(RETURNS, NEW, tenant="acme", user="bob")), Miss)
    assert isinstance(await shop.lookup(asked(RETURNS, NEW, tenant="acme", user="ann")), Hit)


async def test_a_tenants_own_context_is_replayed_by_its_name(shop: CacheFabric) -> None:
    mine: dict[str, Any] = {"scope": ContextScope.TENANT, "tenant": "acme"}
    await shop.set_context(KEY, "Theirs.", **mine)
    await run(shop, asked(RETURNS, "Theirs.", tenant="acme"))
    await shop.set_context(KEY, "Theirs, anew.", **mine)
    report = await shop.replay(
        context=KEY, version=2, model=same_as_before, tenant="acme", carry_over=True
    )
    assert report.carried == 1
    assert isinstance(await shop.lookup(asked(RETURNS, "Theirs, anew.", tenant="acme")), Hit)


async def test_another_context_in_the_request_stays_as_it_was(make: Make) -> None:
    fabric = await make()
    await fabric.set_context(KEY, OLD)
    await fabric.set_context("tone", "Be brief.")

    def both(system: str) -> CacheRequest:
        messages = [
            {"role": "system", "content": system},
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": RETURNS},
        ]
        return CacheRequest(model="m", messages=messages)

    await run(fabric, both(OLD))
    await fabric.set_context(KEY, NEW)
    requests: list[CacheRequest] = []

    def model(request: CacheRequest) -> str:
        requests.append(request)
        return same_as_before(request)

    report = await fabric.replay(context=KEY, version=2, model=model, carry_over=True)
    assert requests == [both(NEW)]
    assert report.carried == 1
    assert isinstance(await fabric.lookup(both(NEW)), Hit)


async def test_an_answer_that_was_found_bad_is_neither_asked_again_nor_carried_over(
    shop: CacheFabric,
) -> None:
    await shop.record_feedback(f"run-{RETURNS}-1-None", {"user_rating": 1})
    report = await shop.replay(context=KEY, version=2, model=same_as_before, carry_over=True)
    bad = next(row for row in report.rows if row.execution_id == f"run-{RETURNS}-1-None")
    assert (bad.verdict, report.carried) == ("skipped", 1)
    assert "taken back" in bad.reason
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)


async def test_bad_feedback_during_a_replay_keeps_the_answer_from_being_carried_over(
    shop: CacheFabric,
) -> None:
    async def model(request: CacheRequest) -> str:
        question = request.messages[-1]["content"]
        await shop.record_feedback(f"run-{question}-1-None", {"match": False})
        return same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True)
    assert report.carried == 0
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)


async def test_feedback_on_a_carried_answer_acts_on_it(shop: CacheFabric) -> None:
    await shop.replay(context=KEY, version=2, model=same_as_before, carry_over=True)
    await run(shop, asked(RETURNS, NEW), version=2)
    await shop.record_feedback(f"run-{RETURNS}-2-None", {"user_rating": 1})
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)
    assert isinstance(await shop.lookup(asked(RETURNS)), Hit)
