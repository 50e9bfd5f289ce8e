"""Nobody empties the cache alone, and nobody is believed who is not trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.errors import ConfigurationError
from voting import a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]


@pytest.fixture
async def strict() -> AsyncIterator[CacheFabric]:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, feedback_grace=3)
    made = create_cache_fabric("memory", policy=Threshold(), config=config)
    yield made
    await made.aclose()


async def questions(fabric: CacheFabric, ask: Ask, count: int) -> list[CacheRequest]:
    asked = [ask(f"number {number}") for number in range(count)]
    for request in asked:
        await answered(fabric, request)
    return asked


async def test_above_its_share_an_annotator_is_held_until_another_one_agrees(
    strict: CacheFabric, ask: Ask
) -> None:
    asked = await questions(strict, ask, 6)
    found = [await hit(strict, request) for request in asked]
    actions = [(await cast(strict, a_vote(one)))[0].action for one in found]
    assert actions == ["quarantined"] * 3 + ["held"] * 3
    assert [await missed(strict, request) for request in asked] == [True] * 3 + [False] * 3
    (effect,) = await cast(strict, a_vote(found[4], by="bob", trusted=False))
    assert effect.action == "quarantined"
    assert await missed(strict, asked[4])


async def test_votes_at_once_do_not_pass_the_limit(strict: CacheFabric, ask: Ask) -> None:
    asked = await questions(strict, ask, 8)
    votes = [a_vote(await hit(strict, request)) for request in asked]
    effects = await asyncio.gather(*(cast(strict, vote) for vote in votes))
    assert sorted(effect[0].action for effect in effects) == ["held"] * 5 + ["quarantined"] * 3


async def test_the_share_of_many_answers_is_more_than_the_grace(ask: Ask) -> None:
    config = FabricConfig(
        exact_timeout=30, semantic_timeout=30, feedback_grace=1, feedback_share=0.5
    )
    async with create_cache_fabric("memory", policy=Threshold(), config=config) as fabric:
        asked = await questions(fabric, ask, 10)
        found = [await hit(fabric, request) for request in asked]
        actions = [(await cast(fabric, a_vote(one)))[0].action for one in found[:7]]
    # After the first one nine answers are left, and half of them is what counts for a minute.
    assert actions == ["quarantined"] * 5 + ["held"] * 2


async def test_a_repeated_vote_is_charged_once(strict: CacheFabric, ask: Ask) -> None:
    asked = await questions(strict, ask, 4)
    votes = [a_vote(await hit(strict, request)) for request in asked]
    for vote in (votes[0], votes[0], votes[0], votes[1], votes[2]):
        (effect,) = await cast(strict, vote)
        assert effect.action == "quarantined"
    assert (await cast(strict, votes[3]))[0].action == "held"


async def test_who_changes_his_mind_is_charged_once(strict: CacheFabric, ask: Ask) -> None:
    (asked,) = await questions(strict, ask, 1)
    vote = a_vote(await hit(strict, asked))
    for _ in range(5):
        assert (await cast(strict, vote))[0].action == "quarantined"
        assert (await cast(strict, replace(vote, verdict="good")))[0].action == "restored"


async def test_a_held_vote_acts_when_it_is_given_again_after_the_hour(
    strict: CacheFabric, ask: Ask
) -> None:
    asked = await questions(strict, ask, 4)
    votes = [a_vote(await hit(strict, request), at=1000.0) for request in asked]
    for vote in votes:
        (effect,) = await cast(strict, vote)
    assert effect.action == "held"
    later = a_vote(await hit(strict, asked[3]), run=votes[3].execution_id, at=5000.0)
    assert (await cast(strict, later))[0].action == "quarantined"


async def test_operators_are_not_limited(strict: CacheFabric, ask: Ask) -> None:
    asked = await questions(strict, ask, 6)
    for request in asked:
        await strict.retire_answer((await hit(strict, request)).entry.id, by="olga")
    assert all([await missed(strict, request) for request in asked])


async def test_a_correction_of_somebody_who_is_not_trusted_waits_for_the_same_words(
    fabric: CacheFabric, ask: Ask
) -> None:
    await answered(fabric, ask("q"))
    found = await hit(fabric, ask("q"))
    first = await cast(fabric, a_vote(found, trusted=False, correction="Pay me."))
    assert [effect.action for effect in first] == ["held", "held"]
    other = await cast(fabric, a_vote(found, by="bob", trusted=False, correction="Bring it."))
    assert [effect.action for effect in other] == ["quarantined", "held"]
    assert await missed(fabric, ask("q"))
    third = await cast(fabric, a_vote(found, by="eve", trusted=False, correction="Bring it."))
    assert third[1].action == "pinned"
    assert (await hit(fabric, ask("q"))).entry.text == "Bring it."


@pytest.mark.parametrize("entry_id", ["x", "a/b", "0" * 64, "\ud800", "0" * 64 + "." + "0" * 999])
async def test_a_run_that_names_no_answer_changes_nothing(
    fabric: CacheFabric, ask: Ask, entry_id: str
) -> None:
    await answered(fabric, ask("q"))
    vote = a_vote(await hit(fabric, ask("q")))
    forged = replace(vote, served=replace(vote.served, entry_id=entry_id))
    (effect,) = await cast(fabric, forged)
    assert effect.action == "none"
    assert await fabric._run(lambda life: life.parts.store.records("j/")) == []


async def test_a_run_of_another_tenant_says_nothing_of_an_answer(
    fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(fabric, ask("q", tenant="acme"))
    found = await hit(fabric, ask("q", tenant="acme"))
    (effect,) = await cast(fabric, a_vote(found, tenant="other", correction="Pay me."))
    assert (effect.entry_id, effect.action) == (entry_id, "none")
    assert (await hit(fabric, ask("q", tenant="acme"))).entry.id == entry_id
    await cast(fabric, a_vote(found, tenant="acme"))
    assert await missed(fabric, ask("q", tenant="acme"))
    again = await cast(fabric, a_vote(found, tenant="other", correction="Pay me."))
    assert [one.action for one in again] == ["none"]
    assert await missed(fabric, ask("q", tenant="acme"))


async def test_a_run_cannot_have_a_question_answered_that_was_not_asked(
    fabric: CacheFabric, ask: Ask
) -> None:
    await answered(fabric, ask("How do I return an item?"))
    target = await fabric.lookup(ask("Who owns the shop?", tenant="acme"))
    found = await hit(fabric, ask("How can I return an item?"))
    vote = a_vote(found, correction="Me.")
    keys = target.ticket.keys  # type: ignore[union-attr]
    forged = replace(vote, served=replace(vote.served, exact=keys.exact, question=keys.question))
    effects = await cast(fabric, forged)
    assert [effect.action for effect in effects] == ["quarantined", "none"]
    assert await fabric.list_answers(state="pinned") == []
    assert await fabric.store(target.ticket, "Acme.") is not None  # type: ignore[union-attr]
    assert (await hit(fabric, ask("Who owns the shop?", tenant="acme"))).entry.text == "Acme."


async def test_annotators_have_no_names_in_their_accounts(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask("q"))
    await cast(fabric, a_vote(await hit(fabric, ask("q")), by="ann@example.org"))
    records = await fabric._run(lambda life: life.parts.store.records("w/"))
    assert len(records) == 1
    assert "ann" not in records[0].key
    assert b"ann@" not in records[0].value


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"feedback_share": 1.5}, "feedback_share: expected a share from 0 to 1"),
        ({"feedback_grace": 0}, "feedback_grace: expected a whole number above 0"),
        ({"feedback_agreements": True}, "feedback_agreements: expected a whole number above 0"),
    ],
)
def test_a_wrong_limit_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        FabricConfig(**given)
