"""An answer that people gave is served for ever, and in the form that its host reads."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
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
    create_cache_fabric,
)
from cache_fabric.corrections import corrected
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import CacheEntry
from fabric.conftest import Clock
from voting import Nearest, a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]
Q, Q_TOO = "How do I return an item?", "How can I return an item?"


async def text(fabric: CacheFabric, request: CacheRequest) -> str:
    return (await hit(fabric, request)).entry.text


async def test_an_answer_that_is_pinned_does_not_expire(
    fabric: CacheFabric, ask: Ask, clock: Clock
) -> None:
    request = ask(Q, options=CacheOptions(ttl=60))
    entry_id = await answered(fabric, request)
    effect = await fabric.pin_answer(entry_id, by="olga", why="it is right")
    assert (effect.entry_id, effect.action) == (entry_id, "pinned")
    clock.now += 1e9
    assert (await hit(fabric, request)).entry.id == entry_id
    assert await text(fabric, ask(Q_TOO)) == "By post."


async def test_its_vector_does_not_expire_either(
    fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = await answered(fabric, ask(Q, options=CacheOptions(ttl=60)))
    seen: list[VectorItem] = []

    async def upsert(items: Sequence[VectorItem]) -> None:
        seen.extend(items)

    monkeypatch.setattr(fabric._life().engine.semantic._index, "upsert", upsert)
    await fabric.pin_answer(entry_id)
    assert [(item.id, item.ttl) for item in seen] == [(entry_id.partition(".")[0], None)]


async def test_other_words_take_its_place_and_it_is_retired(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(Q))
    effect = await any_fabric.pin_answer(entry_id, answer="Bring it.", by="olga")
    assert effect.entry_id != entry_id
    assert await text(any_fabric, ask(Q)) == "Bring it."
    assert await text(any_fabric, ask(Q_TOO)) == "Bring it."
    assert [e.id for e in await any_fabric.list_answers(state="pinned")] == [effect.entry_id]
    assert [e.id for e in await any_fabric.list_answers(state="quarantined")] == [entry_id]
    assert await any_fabric.list_answers() == []
    assert (await any_fabric.get_entry(effect.entry_id)) is not None


async def test_no_fresh_answer_takes_its_place_whenever_it_was_begun(
    fabric: CacheFabric, ask: Ask
) -> None:
    refresh = ask(Q, options=CacheOptions(refresh=True))
    entry_id = await answered(fabric, ask(Q))
    begun = await fabric.lookup(refresh)
    await fabric.pin_answer(entry_id, answer="Bring it.")
    after = await fabric.lookup(refresh)
    for late in (begun, after):
        assert isinstance(late, Miss)
        assert await fabric.store(late.ticket, "of a model") is None
    await fabric.flush()
    assert await text(fabric, ask(Q)) == "Bring it."
    assert (await fabric.get_metrics())["answers"]["refused"] == 2


async def test_a_lookup_that_was_begun_before_is_answered_by_it(
    fabric: CacheFabric, ask: Ask
) -> None:
    begun = await fabric.begin(ask(Q))
    entry_id = await answered(fabric, ask(Q))
    effect = await fabric.pin_answer(entry_id, answer="Bring it.")
    found = await fabric.lookup(begun)  # type: ignore[arg-type]
    assert isinstance(found, Hit)
    assert (found.tier, found.entry.id) == ("exact", effect.entry_id)


async def test_an_answer_that_was_on_its_way_is_not_served_over_it(
    fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(fabric, ask(Q))
    begun = await fabric.lookup(ask(Q, options=CacheOptions(refresh=True)))
    assert isinstance(begun, Miss)
    await fabric.store(begun.ticket, "of a model")
    # That one is hot and in the queue now, and its case is not the old one's.
    newer = (await hit(fabric, ask(Q))).entry.id
    assert newer != entry_id
    await fabric.pin_answer(newer, answer="Bring it.")
    await fabric.flush()
    assert await text(fabric, ask(Q)) == "Bring it."


async def test_it_is_never_evicted(ask: Ask) -> None:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, max_entries=3)
    async with create_cache_fabric("memory", policy=Threshold(), config=config) as fabric:
        entry_id = await answered(fabric, ask(Q))
        await fabric.pin_answer(entry_id)
        for number in range(20):
            await answered(fabric, ask(f"number {number}"))
        await fabric._run(lambda life: life.engine.capacity.recount())
        assert await text(fabric, ask(Q)) == "By post."
        assert (await hit(fabric, ask(Q_TOO))).tier == "semantic"


async def test_it_outlives_a_clear_and_is_found_by_meaning_after_it(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(Q))
    await any_fabric.pin_answer(entry_id)
    await any_fabric.clear()
    assert await text(any_fabric, ask(Q)) == "By post."
    assert await text(any_fabric, ask(Q_TOO)) == "By post."
    done = await any_fabric.reindex()
    assert (done.entries, done.indexed) == (1, 1)
    assert await text(any_fabric, ask(Q_TOO)) == "By post."


async def test_it_goes_when_it_is_invalidated(any_fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(any_fabric, ask(Q, tenant="acme"))
    effect = await any_fabric.pin_answer(entry_id, answer="Bring it.")
    assert (await any_fabric.invalidate(entry=effect.entry_id, dry_run=True)).count == 1
    assert (await any_fabric.invalidate(entry=effect.entry_id)).count == 1
    assert await missed(any_fabric, ask(Q, tenant="acme"))
    assert await missed(any_fabric, ask(Q_TOO, tenant="acme"))
    assert (await any_fabric.invalidate(tenant="acme")).count == 1  # the quarantined one
    assert (await any_fabric.restore_answer(entry_id)).action == "restored"
    assert await missed(any_fabric, ask(Q, tenant="acme"))


async def test_restore_makes_a_pinned_answer_an_ordinary_one(
    fabric: CacheFabric, ask: Ask, clock: Clock
) -> None:
    request = ask(Q, options=CacheOptions(ttl=60))
    entry_id = await answered(fabric, request)
    await fabric.pin_answer(entry_id)
    await fabric.restore_answer(entry_id)
    assert (await hit(fabric, request)).entry.expires is not None
    clock.now += 61
    assert await missed(fabric, request)


async def test_restoring_the_answer_takes_its_correction_back(
    fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(fabric, ask(Q))
    vote = a_vote(await hit(fabric, ask(Q)), correction="Bring it.")
    await cast(fabric, vote)
    await fabric.restore_answer(entry_id)
    assert await text(fabric, ask(Q)) == "By post."
    await cast(fabric, vote)  # repeated
    assert await text(fabric, ask(Q)) == "By post."


async def test_a_better_correction_by_the_same_person_replaces_the_first(
    fabric: CacheFabric, ask: Ask
) -> None:
    await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    first = a_vote(found, run="r", correction="Bring it.")
    await cast(fabric, first)
    await cast(fabric, dataclasses.replace(first, correction="Bring it to any shop."))
    assert await text(fabric, ask(Q)) == "Bring it to any shop."
    await cast(fabric, dataclasses.replace(first, verdict="good", correction=None))
    assert await text(fabric, ask(Q)) == "By post."


async def test_a_correction_of_a_semantic_hit_answers_what_was_asked(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    ask = partial(ask, options=CacheOptions(policy=Nearest()))
    asked = ask("How do I return a jacket in a shop?")
    await answered(any_fabric, ask("How do I return a jacket?"))
    found = await hit(any_fabric, asked)
    await cast(any_fabric, a_vote(found, correction="At the till."))
    assert (await hit(any_fabric, asked)).tier in ("hot", "exact")
    assert await text(any_fabric, asked) == "At the till."
    twin = await hit(any_fabric, ask("How can I return a jacket in a shop?"))
    assert (twin.tier, twin.entry.text) == ("semantic", "At the till.")
    assert twin.reason.startswith("a person's answer")
    assert "human" in twin.entry.tags


async def test_of_two_corrections_of_one_question_the_newest_is_served(
    fabric: CacheFabric, ask: Ask
) -> None:
    first = await answered(fabric, ask(Q))
    await fabric.pin_answer(first, answer="One.")
    pinned = await hit(fabric, ask(Q))
    await asyncio.sleep(0)
    effect = await fabric.pin_answer(pinned.entry.id, answer="Two.")
    assert await text(fabric, ask(Q)) == "Two."
    await fabric.restore_answer(pinned.entry.id)
    assert await text(fabric, ask(Q)) == "Two."
    assert (await fabric.retire_answer(effect.entry_id)).action == "quarantined"


async def test_what_is_not_kept_cannot_be_pinned(fabric: CacheFabric, ask: Ask) -> None:
    with pytest.raises(NotFound):
        await fabric.pin_answer("0" * 64 + ".00000000")
    missing = await answered(fabric, ask(Q), {"rows": [1]})
    with pytest.raises(ValidationError, match="answer: the form of this answer"):
        await fabric.pin_answer(missing, answer="Two.")
    assert (await fabric.pin_answer(missing)).action == "pinned"


async def test_what_is_said_of_it_is_checked(fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(fabric, ask(Q))
    with pytest.raises(ValidationError, match="why: expected at most 1,000 characters"):
        await fabric.pin_answer(entry_id, why="x" * 1_001)
    with pytest.raises(ValidationError, match="by: expected text"):
        await fabric.retire_answer(entry_id, by="")


async def test_an_endless_correction_is_not_served(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q))
    long = "x" * (fabric.config.max_entry_bytes + 1)
    effects = await cast(fabric, a_vote(found, correction=long, why=long))
    assert [effect.action for effect in effects] == ["quarantined", "none"]
    records = await fabric._run(lambda life: life.parts.store.records(""))
    assert sum(len(record.value) for record in records) < 10_000


def message(**fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "type": "ai",
        "content": "old",
        "name": None,
        "additional_kwargs": {"refusal": None, "reasoning_content": "old thoughts"},
        "response_metadata": {"model_name": "m", "logprobs": ["old"]},
        "extra": {},
        "tool_calls": [],
        "invalid_tool_calls": [],
        "usage": None,
    }
    return {**known, **fields}


def generation(**fields: Any) -> dict[str, Any]:
    said = {"kind": "ChatGeneration", "text": "old", "info": {"finish_reason": "stop"}}
    return {"generations": [{**said, "message": message(**fields)}]}


def right(payload: Any) -> Any:
    entry = CacheEntry(
        id="e.1", exact="e", partition="p", question="q", payload=payload, model="m", created=1.0
    )
    found = corrected(entry, "new", entry_id="e.2", question="q", at=2.0)
    return None if found is None else found.payload


@pytest.mark.parametrize(
    "content",
    [
        "old",
        [{"type": "reasoning", "reasoning": "old"}, {"type": "text", "text": "old", "id": "1"}],
    ],
)
def test_a_message_takes_the_text_and_keeps_nothing_of_the_old_one(content: Any) -> None:
    said = right(generation(content=content))
    assert "old" not in repr(said)
    assert said["generations"][0]["text"] == "new"
    assert said["generations"][0]["info"] == {"finish_reason": "stop"}


def test_a_completion_and_a_text_take_it() -> None:
    plain = {"generations": [{"kind": "Generation", "text": "old", "info": None}]}
    assert right(plain)["generations"][0]["text"] == "new"
    assert right("old") == "new"


@pytest.mark.parametrize(
    "payload",
    [
        {"rows": [1]},
        None,
        {"generations": []},
        {"generations": [*generation()["generations"]] * 2},
        generation(tool_calls=[{"name": "pay"}]),
        generation(additional_kwargs={"parsed": {"amount": 1}}),
        generation(content=[{"type": "image_url"}]),
        generation(extra={"audio": "x"}),
    ],
)
def test_what_says_more_than_a_text_cannot_take_one(payload: Any) -> None:
    assert right(payload) is None
