"""``fabric.explain``: why a lookup ended as it did, and what is known of an answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Callable

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    Hit,
    Miss,
    Threshold,
    Verified,
    create_cache_fabric,
)
from cache_fabric.errors import NotFound
from cache_fabric.explanation import EntryExplanation, LookupExplanation
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.matcher.features import NAMES
from cache_fabric.options import CacheOptions
from cache_fabric.policy.base import Policy
from fabric.conftest import PATIENT, Clock

Ask = Callable[..., CacheRequest]
OURS = "When does the shop in Bern open?"
CLOSE = "When does the shop in Bern open"
OTHER = "When does the shop in Bern close?"


def fabric_of(policy: Policy | None = None, **options: object) -> CacheFabric:
    return create_cache_fabric("memory", policy=policy, config=PATIENT, **options)


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with fabric_of(Verified(max_error=0.2, reask=0)) as made:
        yield made


async def answered(fabric: CacheFabric, request: CacheRequest, answer: str) -> str:
    entry_id = await fabric.store(request, answer)
    assert entry_id is not None
    await fabric.flush()
    return entry_id


async def explained(fabric: CacheFabric, request: CacheRequest) -> LookupExplanation:
    result = await fabric.lookup(request)
    assert isinstance(result, Hit | Miss)
    found = await fabric.explain(result.lookup_id)
    assert isinstance(found, LookupExplanation)
    assert (found.id, found.reason) == (result.lookup_id, result.reason)
    return found


async def test_every_lookup_has_an_id_of_its_own_that_its_event_names(ask: Ask) -> None:
    events: list[Event] = []
    async with fabric_of(hooks=[events.append]) as fabric:
        await answered(fabric, ask(OURS), "At nine.")
        results = [await fabric.lookup(ask(OURS)), await fabric.lookup(ask("Hello?"))]
    named = [event.lookup_id for event in events if isinstance(event, LookupEvent)]
    assert named == [r.lookup_id for r in results if isinstance(r, Hit | Miss)]
    assert len(set(named)) == 2


async def test_a_hit_by_meaning_names_what_it_rests_on(fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(fabric, ask(OURS), "At nine.")
    found = await explained(fabric, ask(CLOSE))
    assert (found.outcome, found.tier, found.policy) == ("hit", "semantic", "verified")
    assert found.entry_id == entry_id
    (candidate,) = found.candidates
    assert (candidate.entry_id, candidate.best, candidate.guard) == (entry_id, True, ())
    scoring, budget = found.scoring, found.budget
    assert scoring is not None
    assert budget is not None
    assert found.probability == scoring.probability
    assert scoring.log_odds == candidate.score
    assert scoring.risk <= scoring.price == budget.price
    assert (budget.requests, budget.judged, budget.spent) == (1, 1, scoring.risk)


async def test_features_are_named_and_add_up_to_the_log_odds(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(OURS), "At nine.")
    found = await explained(fabric, ask(CLOSE))
    assert {feature.name for feature in found.features} == {*NAMES, "bias", "words"}
    sizes = [abs(feature.contribution) for feature in found.features]
    assert sizes == sorted(sizes, reverse=True)
    total = sum(feature.contribution for feature in found.features)
    assert found.scoring is not None
    # The score is the sum, drawn towards 0 by what the matcher is not sure of.
    assert 0 < found.scoring.log_odds / total <= 1


async def test_a_refusal_names_the_kinds_of_objections(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(OURS), "At nine.")
    found = await explained(fabric, ask(OTHER))
    assert (found.outcome, found.tier, found.entry_id) == ("miss", None, None)
    assert "antonym" in (found.candidates[0].guard or ())
    assert found.candidates[0].contradicts
    assert found.audit is not None
    assert (found.audit.sampled, found.audit.wrong_share, found.audit.factor) == (0, None, 1.0)


async def test_candidates_say_whose_answers_agree(fabric: CacheFabric, ask: Ask) -> None:
    ours = await answered(fabric, ask(OURS), "At nine.")
    same = await answered(fabric, ask("When does the Bern shop open?"), "At  NINE.")
    other = await answered(fabric, ask("When does the shop in Basel open?"), "At ten.")
    found = await explained(fabric, ask(CLOSE))
    agree = {candidate.entry_id: candidate.same_answer for candidate in found.candidates}
    assert agree == {ours: True, same: True, other: False}


async def test_words_are_shown_only_where_they_are_asked_for(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(OURS), "At nine.")
    result = await fabric.lookup(ask(OTHER))
    assert isinstance(result, Miss)
    quiet = json.dumps(dataclasses.asdict(await fabric.explain(result.lookup_id)))
    assert not any(word in quiet for word in ("Bern", "shop", "nine", "close"))
    told = await fabric.explain(result.lookup_id, texts=True)
    assert isinstance(told, LookupExplanation)
    assert (told.question, told.candidates[0].question) == (OTHER, OURS)
    assert any("close" in said for said in told.candidates[0].objections or ())


async def test_threshold_explains_its_similarities(ask: Ask) -> None:
    async with fabric_of(Threshold(0.7)) as fabric:
        entry_id = await answered(fabric, ask(OURS), "At nine.")
        found = await explained(fabric, ask(OTHER))
    assert (found.policy, found.threshold, found.scoring) == ("threshold", 0.7, None)
    assert [(c.entry_id, c.best) for c in found.candidates] == [(entry_id, True)]
    assert found.reason.startswith("guard: ")


async def test_exact_only_explains_with_its_reason(ask: Ask) -> None:
    async with fabric_of(ExactOnly()) as fabric:
        found = await explained(fabric, ask(OURS))
    assert (found.outcome, found.reason, found.policy, found.candidates) == (
        *("miss", "not found", None),
        (),
    )


async def test_an_exact_hit_tells_the_age_of_its_answer(
    fabric: CacheFabric, ask: Ask, clock: Clock
) -> None:
    entry_id = await answered(fabric, ask(OURS), "At nine.")
    clock.now += 60
    found = await explained(fabric, ask(OURS))
    assert (found.tier, found.entry_id, found.age) == ("hot", entry_id, 60.0)


async def test_contexts_of_the_request_are_named(fabric: CacheFabric, ask: Ask) -> None:
    await fabric.set_context("support", "You help customers of a shop.")
    found = await explained(fabric, ask(OURS, "You help customers of a shop."))
    ((path, behaviour),) = found.contexts
    assert path.endswith("support")
    assert behaviour == 1


async def test_an_answer_tells_where_it_is_from_and_whom_it_served(
    fabric: CacheFabric, ask: Ask
) -> None:
    options = CacheOptions(tags=("shop",), ttl=3600)
    entry_id = await answered(fabric, ask(OURS, options=options, tenant="acme"), "At nine.")
    hit = await fabric.lookup(ask(CLOSE, tenant="acme"))
    await fabric.lookup(ask(OTHER, tenant="acme"))
    found = await fabric.explain(entry_id)
    assert isinstance(found, EntryExplanation)
    assert (found.model, found.tenant, found.tags) == ("gpt-4o-mini", "acme", ("shop",))
    assert found.expires is not None
    assert found.created is not None
    assert 0 < found.expires - found.created <= 3600
    assert not found.expired
    assert isinstance(hit, Hit)
    assert [(one.lookup_id, one.similarity) for one in found.hits] == [
        (hit.lookup_id, hit.similarity)
    ]
    assert found.refused == 1
    assert found.question is None
    told = await fabric.explain(entry_id, texts=True)
    assert isinstance(told, EntryExplanation)
    assert (told.question, told.text) == (OURS, "At nine.")


@pytest.mark.parametrize("unknown", ["", "nonsense", "00.11"])
async def test_an_unknown_id_is_not_found(fabric: CacheFabric, unknown: str) -> None:
    with pytest.raises(NotFound, match="neither a kept answer nor"):
        await fabric.explain(unknown)


async def test_repeats_do_not_push_out_what_was_judged(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(OURS), "At nine.")
    judged = await fabric.lookup(ask(CLOSE))
    repeats = [await fabric.lookup(ask(OURS)) for _ in range(1_001)]
    assert isinstance(judged, Hit)
    assert isinstance(repeats[0], Hit)
    await fabric.explain(judged.lookup_id)
    with pytest.raises(NotFound):
        await fabric.explain(repeats[0].lookup_id)


async def test_clear_forgets_the_lookups(fabric: CacheFabric, ask: Ask) -> None:
    miss = await fabric.lookup(ask(OURS))
    await fabric.clear()
    assert isinstance(miss, Miss)
    with pytest.raises(NotFound):
        await fabric.explain(miss.lookup_id)


def test_the_blocking_view_explains_too(ask: Ask) -> None:
    with fabric_of().sync as fabric:
        miss = fabric.lookup(ask(OURS))
        assert isinstance(miss, Miss)
        assert fabric.explain(miss.lookup_id).id == miss.lookup_id
