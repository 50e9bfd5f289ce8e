"""Replay: the last runs of a context under another version, and what that changes."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, Hit, Miss, Usage
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.filled_prompt import VARIABLES
from judged.conftest import KEY, Make
from judged.replays import (
    ANSWERS,
    NEW,
    OLD,
    RETURNS,
    SHIPPING,
    asked,
    never,
    opened_shop,
    run,
    same_as_before,
    verdicts,
)


@pytest.fixture
async def shop(make: Make) -> CacheFabric:
    return await opened_shop(await make())


async def test_the_model_is_asked_the_old_questions_under_the_new_text(shop: CacheFabric) -> None:
    requests: list[CacheRequest] = []

    async def model(request: CacheRequest) -> str:
        requests.append(request)
        changed = request.messages[-1]["content"] == SHIPPING
        return "Arr, on a Friday!" if changed else same_as_before(request)

    steps: list[tuple[int, int]] = []
    report = await shop.replay(
        context=KEY, version=2, model=model, progress=lambda *step: steps.append(step)
    )
    assert sorted(requests, key=str) == sorted((asked(q, NEW) for q in ANSWERS), key=str)
    assert verdicts(report) == {RETURNS: "unchanged", SHIPPING: "changed"}
    changed = next(row for row in report.rows if row.verdict == "changed")
    assert (changed.old, changed.new) == (ANSWERS[SHIPPING], "Arr, on a Friday!")
    assert changed.execution_id == f"run-{SHIPPING}-1-None"
    assert changed.reason == "another text"
    assert (report.version, report.behaviour, report.current) == (2, 2, 0)
    assert report.changed_share == 0.5
    assert report.changed_interval[0] < 0.5 < report.changed_interval[1]
    assert steps == [(1, 2), (2, 2)]
    assert report.carried == 0
    assert isinstance(await shop.lookup(asked(RETURNS, NEW)), Miss)


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (
            "Items can be returned free of charge by post within 30 days of delivery.",
            "unchanged",
            "the same meaning",
        ),
        (ANSWERS[RETURNS].replace("30", "14"), "changed", "another number"),
        (ANSWERS[RETURNS].replace("can", "cannot"), "changed", "another negation"),
        (
            "Please read the terms and conditions of 30 days, on our page, free of charge.",
            "changed",
            "another meaning",
        ),
        (
            "You may send it back by post within 30 days, and we pay for that.",
            "changed",
            "cannot be told",
        ),
    ],
)
async def test_prose_is_compared_by_meaning_and_by_the_guard(
    shop: CacheFabric, answer: str, verdict: str, reason: str
) -> None:
    def model(request: CacheRequest) -> str:
        return answer if request.messages[-1]["content"] == RETURNS else same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model)
    row = next(row for row in report.rows if row.question == RETURNS)
    assert (row.verdict, row.reason) == (verdict, reason)


@pytest.mark.parametrize("colour", ["plain", "coroutine"])
async def test_the_caller_may_compare_and_who_cannot_tell_says_changed(
    shop: CacheFabric, colour: str
) -> None:
    compared: list[tuple[str, str]] = []

    def same(old: str, new: str) -> bool | None:
        compared.append((old, new))
        return True if old == ANSWERS[RETURNS] else None

    async def asame(old: str, new: str) -> bool | None:
        return same(old, new)

    report = await shop.replay(
        context=KEY,
        version=2,
        model=lambda _: "Arr!",
        same=same if colour == "plain" else asame,
    )
    assert sorted(compared) == sorted((old, "Arr!") for old in ANSWERS.values())
    assert verdicts(report) == {RETURNS: "unchanged", SHIPPING: "changed"}
    assert {row.reason for row in report.rows} == {"as the caller says", "the caller cannot tell"}


async def test_a_model_that_fails_is_a_row(shop: CacheFabric) -> None:
    def model(request: CacheRequest) -> Any:
        if request.messages[-1]["content"] == RETURNS:
            raise RuntimeError("overloaded")
        return ""

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True)
    reasons = {row.question: row.reason for row in report.rows}
    assert verdicts(report) == {RETURNS: "failed", SHIPPING: "failed"}
    assert reasons == {RETURNS: "RuntimeError: overloaded", SHIPPING: "empty answer"}
    assert report.changed_share is None


async def test_the_model_runs_on_the_callers_loop_so_many_at_a_time(make: Make) -> None:
    fabric = await make()
    await fabric.set_context(KEY, OLD)
    for number in range(6):
        await run(fabric, asked(f"What is {number}?"), answer="A number.")
    await fabric.set_context(KEY, NEW)
    here, running, most = (asyncio.get_running_loop(), threading.get_ident()), 0, 0

    async def model(_: CacheRequest) -> str:
        nonlocal running, most
        assert (asyncio.get_running_loop(), threading.get_ident()) == here
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return "A number."

    report = await fabric.replay(context=KEY, version=2, model=model, concurrency=3)
    assert report.count("unchanged") == 6
    assert most == 3


def test_the_blocking_view_calls_the_model_in_this_thread(fabric: CacheFabric) -> None:
    fabric.sync.set_context(KEY, OLD)
    fabric.sync._call(lambda: run(fabric, asked(RETURNS)))
    fabric.sync.set_context(KEY, NEW)
    threads: set[int] = set()

    def model(request: CacheRequest) -> str:
        threads.add(threading.get_ident())
        return same_as_before(request)

    report = fabric.sync.replay(context=KEY, version=2, model=model, carry_over=True)
    assert threads == {threading.get_ident()}
    assert report.carried == 1
    assert isinstance(fabric.sync.lookup(asked(RETURNS, NEW)), Hit)

    async def coroutine(_: CacheRequest) -> str:
        return "x"

    fabric.sync.set_context(KEY, "A third.")
    with pytest.raises(ValidationError, match="await"):
        fabric.sync.replay(context=KEY, version=3, model=coroutine)


async def test_a_dry_run_asks_nobody(shop: CacheFabric) -> None:
    report = await shop.replay(context=KEY, version=2, dry_run=True)
    assert verdicts(report) == {RETURNS: "planned", SHIPPING: "planned"}
    with pytest.raises(ValidationError, match="model"):
        await shop.replay(context=KEY, version=2)


async def test_tokens_and_cost_are_told_where_all_are_known(shop: CacheFabric) -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100)
    report = await shop.replay(
        context=KEY, version=2, model=lambda request: (same_as_before(request), usage)
    )
    assert report.tokens == 2_200
    assert report.cost == pytest.approx(2 * (1_000 * 0.15 + 100 * 0.6) / 1e6)
    report = await shop.replay(context=KEY, version=2, model=same_as_before)
    assert (report.tokens, report.cost) == (None, None)


async def test_a_cosmetic_version_leaves_nothing_to_do(make: Make) -> None:
    fabric = await make()
    await fabric.set_context(KEY, OLD)
    await run(fabric, asked(RETURNS))
    await fabric.set_context(KEY, OLD + " ", change="cosmetic")
    report = await fabric.replay(context=KEY, version=2, model=never)
    assert (report.rows, report.current, report.nothing_to_do) == ((), 1, True)


async def test_runs_of_the_version_itself_do_not_use_up_the_limit(shop: CacheFabric) -> None:
    await run(shop, asked(SHIPPING, NEW), version=2)
    report = await shop.replay(context=KEY, version=2, model=same_as_before, limit=1)
    assert report.current == 1
    assert len(report.rows) == 1
    assert report.rows[0].question == SHIPPING  # the newest
    assert "answered under this version already" in report.rows[0].reason


async def test_an_answer_that_several_runs_were_given_is_asked_once(shop: CacheFabric) -> None:
    for number in range(3):
        again = await shop.lookup(asked(RETURNS))
        state = {"contexts": [{"key": KEY, "version": 1}]}
        await shop.track_execution(f"hit-{number}", "support", state, answers=[again])
    report = await shop.replay(context=KEY, version=2, model=same_as_before)
    assert len(report.rows) == 2


async def test_what_cannot_be_asked_again_says_why(shop: CacheFabric) -> None:
    await shop.set_context("filled", "You serve {name}.")
    filled = asked("Who?", "You serve Ann.")
    missed = await shop.lookup(filled)
    assert isinstance(missed, Miss)
    await shop.store(missed.ticket, "Ann.")
    state = {"contexts": [{"key": "filled", "version": 1}]}
    await shop.track_execution("filled", "support", state, answers=[missed])
    await shop.track_execution("untold", "support", state)
    report = await shop.replay(context="filled", version=1, model=never)
    assert [row.verdict for row in report.rows] == ["skipped", "skipped"]
    assert all("variables" in row.reason for row in report.rows)
    await shop.set_context(KEY, "You serve {name}.")
    report = await shop.replay(context=KEY, version=3, model=never)
    assert {row.reason for row in report.rows} == {"nothing is known to fill in for name"}
    await shop._run(lambda life: life.parts.store.clear("r/"))
    report = await shop.replay(context=KEY, version=2, model=never)
    assert {row.reason for row in report.rows} == {"what is needed to ask it again was not kept"}
    await shop.invalidate(context=KEY)
    report = await shop.replay(context=KEY, version=2, model=never)
    assert {row.verdict for row in report.rows} == {"skipped"}
    assert all("taken back" in row.reason for row in report.rows)


async def test_a_text_that_stands_for_another_behaviour_by_now_cannot_be_replayed(
    shop: CacheFabric,
) -> None:
    await shop.set_context(KEY, NEW, change="breaking")
    report = await shop.replay(context=KEY, version=2, model=never)
    assert {row.reason for row in report.rows} == {
        "the text of the version stands for another behaviour by now"
    }


async def test_a_label_names_the_version(shop: CacheFabric) -> None:
    await shop.label_context(KEY, "candidate", 2)
    report = await shop.replay(context=KEY, version="candidate", model=same_as_before)
    assert report.version == 2


@pytest.mark.parametrize(
    ("wrong", "error", "names"),
    [
        ({"version": 9}, NotFound, "9"),
        ({"version": "nope"}, NotFound, "nope"),
        ({"context": "nope"}, NotFound, "nope"),
        ({"version": True}, ValidationError, "version"),
        ({"limit": 0}, ValidationError, "limit"),
        ({"concurrency": 0}, ValidationError, "concurrency"),
        ({"model": "gpt-4o"}, ValidationError, "model"),
    ],
)
async def test_what_is_wrong_is_named(
    shop: CacheFabric, wrong: dict[str, Any], error: type[Exception], names: str
) -> None:
    right: dict[str, Any] = {"context": KEY, "version": 2, "model": same_as_before}
    with pytest.raises(error, match=names):
        await shop.replay(**{**right, **wrong})


async def test_data_is_no_prompt(shop: CacheFabric) -> None:
    await shop.set_context("data", {"a": 1})
    with pytest.raises(ValidationError, match="not text"):
        await shop.replay(context="data", version=1, model=same_as_before)


async def test_a_prompt_with_variables_is_asked_filled_and_kept_where_it_is_looked_up(
    make: Make,
) -> None:
    shop = await make()
    old, new = "You serve {name} in {city}.", "You politely serve {name}."
    await shop.set_context(KEY, old)
    values = {"name": "Ada", "city": "Rome"}
    await run(shop, asked(RETURNS, old, params={"temperature": 0, VARIABLES: values}))
    await shop.set_context(KEY, new)
    requests: list[CacheRequest] = []

    def model(request: CacheRequest) -> str:
        requests.append(request)
        return same_as_before(request)

    report = await shop.replay(context=KEY, version=2, model=model, carry_over=True)
    assert verdicts(report) == {RETURNS: "unchanged"}
    assert requests == [asked(RETURNS, "You politely serve Ada.", params={"temperature": 0})]
    later = asked(RETURNS, new, params={"temperature": 0, VARIABLES: {"name": "Ada"}})
    assert isinstance(await shop.lookup(later), Hit)
    other = asked(RETURNS, new, params={"temperature": 0, VARIABLES: {"name": "Bob"}})
    assert isinstance(await shop.lookup(other), Miss)
