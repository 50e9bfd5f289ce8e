"""A learning policy gets its labels from the misses, and no fault of that reaches a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cache_fabric import (
    Answer,
    CacheFabric,
    CacheOptions,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    Verified,
    create_cache_fabric,
)
from cache_fabric.instrumentation.events import Event, LabelEvent
from cache_fabric.policy.family import Family

Ask = Callable[..., CacheRequest]
Make = Callable[..., CacheFabric]
QUESTION, PARAPHRASE = "How do I return an item?", "How can I return an item?"
NEAR = "How do I return 5 items?"
PROSE = "You can send it back by post within thirty days of its delivery, free of any charge."
SAME_PROSE = "Within thirty days of its delivery you can send it back by post, free of any charge."


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[CacheFabric] = []

    def one(policy: Any = None, **options: Any) -> CacheFabric:
        config = FabricConfig(
            exact_timeout=30, semantic_timeout=30, repeatable_tools=frozenset({"find"})
        )
        made.append(create_cache_fabric("memory", policy=policy, config=config, **options))
        return made[-1]

    yield one
    for fabric in made:
        await fabric.aclose()


async def missed(fabric: CacheFabric, request: CacheRequest) -> Miss:
    found = await fabric.lookup(request)
    assert isinstance(found, Miss)
    return found


async def answered(fabric: CacheFabric, request: CacheRequest, answer: Any = "By post.") -> None:
    await fabric.store((await missed(fabric, request)).ticket, answer)
    await fabric.flush()
    await fabric._run(lambda life: life.engine.learning.flush())


def labels(events: list[Event]) -> list[LabelEvent]:
    return [event for event in events if isinstance(event, LabelEvent)]


def families(fabric: CacheFabric) -> list[Family]:
    return [slot.state for slot in fabric._life().engine.learning.memory._slots.values()]


async def test_a_paraphrase_is_served_with_its_probability(make: Make, ask: Ask) -> None:
    fabric = make(Verified(max_error=0.1))
    await answered(fabric, ask(QUESTION))
    found = await fabric.lookup(ask(PARAPHRASE))
    assert isinstance(found, Hit)
    assert found.tier == "semantic"
    assert found.probability is not None
    assert 0.8 < found.probability < 1


async def test_a_refusal_says_how_probable_the_nearest_answer_was(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION))
    refused = await missed(fabric, ask(NEAR))
    assert refused.nearest is not None
    assert refused.probability is not None
    assert 0 < refused.probability < 1


@pytest.mark.parametrize(("answer", "right"), [("By post.", True), ("In a parcel.", False)])
async def test_the_answer_to_a_refused_question_is_a_label_of_its_neighbor(
    make: Make, ask: Ask, answer: str, right: bool
) -> None:
    events: list[Event] = []
    fabric = make(hooks=[events.append])
    await answered(fabric, ask(QUESTION), "By post.")
    assert labels(events) == []  # nothing was near
    refused = await missed(fabric, ask(NEAR))
    await fabric.store(refused.ticket, answer)
    await fabric._run(lambda life: life.engine.learning.flush())
    [label] = labels(events)
    assert label.right is right
    assert (label.policy, label.family) == ("verified", refused.ticket.keys.family)
    assert label.probability == refused.probability
    assert (await fabric.get_metrics())["labels"] == 1


async def test_prose_is_compared_by_its_meaning(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(hooks=[events.append])
    await answered(fabric, ask(QUESTION), PROSE)
    await answered(fabric, ask(NEAR), SAME_PROSE)
    assert [label.right for label in labels(events)] == [True]


async def test_an_answer_without_text_teaches_nothing(make: Make, ask: Ask) -> None:
    """Two calls of a tool have no text, which does not make them the same."""
    events: list[Event] = []
    fabric = make(hooks=[events.append])
    for question in (QUESTION, NEAR):
        call = Answer(payload={"find": question}, text="", tool_calls=("find",))
        await answered(fabric, ask(question), call)
    assert (await fabric.get_metrics())["refused_near_misses"] == 1
    assert labels(events) == []


async def test_an_answer_that_never_came_is_no_label(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(hooks=[events.append])
    await answered(fabric, ask(QUESTION))
    await fabric.release((await missed(fabric, ask(NEAR))).ticket)
    await fabric._run(lambda life: life.engine.learning.flush())
    assert labels(events) == []


def _sync(fresh: str, kept: str) -> bool:
    return True


async def _asynchronous(fresh: str, kept: str) -> bool:
    for _ in range(200):  # longer than it takes to write an answer
        await asyncio.sleep(0)
    return True


@pytest.mark.parametrize("same_answer", [_sync, _asynchronous])
async def test_the_callers_own_comparison_is_asked(
    make: Make, ask: Ask, same_answer: Callable[[str, str], Any]
) -> None:
    events: list[Event] = []
    fabric = make(Verified(same_answer=same_answer), hooks=[events.append])
    await answered(fabric, ask(QUESTION), "By post.")
    await answered(fabric, ask(NEAR), "In a parcel.")
    assert [label.right for label in labels(events)] == [True]


async def test_a_comparison_that_cannot_say_is_no_label(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(Verified(same_answer=lambda fresh, kept: None), hooks=[events.append])
    await answered(fabric, ask(QUESTION), "By post.")
    await answered(fabric, ask(NEAR), "In a parcel.")
    assert labels(events) == []


def _failing(fresh: str, kept: str) -> bool:
    raise ZeroDivisionError


async def _failing_later(fresh: str, kept: str) -> bool:
    raise ZeroDivisionError


@pytest.mark.parametrize("same_answer", [_failing, _failing_later])
async def test_a_comparison_that_fails_costs_the_label_and_no_request(
    make: Make, ask: Ask, caplog: pytest.LogCaptureFixture, same_answer: Callable[[str, str], Any]
) -> None:
    events: list[Event] = []
    fabric = make(Verified(same_answer=same_answer), hooks=[events.append])
    await answered(fabric, ask(QUESTION), "By post.")
    await answered(fabric, ask(NEAR), "In a parcel.")
    assert isinstance(await fabric.lookup(ask(NEAR)), Hit)
    assert labels(events) == []
    assert "a label was lost" in caplog.text


async def test_closing_waits_for_the_labels_under_way(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(Verified(same_answer=_asynchronous), hooks=[events.append])
    await answered(fabric, ask(QUESTION))
    await fabric.store((await missed(fabric, ask(NEAR))).ticket, "In a parcel.")
    await fabric.aclose()
    assert len(labels(events)) == 1


async def test_tenants_share_what_is_learned_and_never_an_answer(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION, tenant="acme"))
    await answered(fabric, ask(QUESTION, tenant="globex"))
    [family] = families(fabric)
    assert family.budget.requests == 2
    await missed(fabric, ask(PARAPHRASE, tenant="initech"))


async def test_another_task_is_learned_apart(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION))
    await answered(fabric, ask(QUESTION, system="You are a poet."))
    assert [family.budget.requests for family in families(fabric)] == [1, 1]


async def test_exact_repeats_count_as_requests_too(make: Make, ask: Ask) -> None:
    fabric = make()
    await answered(fabric, ask(QUESTION))
    for _ in range(3):
        assert isinstance(await fabric.lookup(ask(QUESTION)), Hit)
    await fabric.lookup(ask(NEAR))
    [family] = families(fabric)
    assert family.budget.requests == 5


@pytest.mark.parametrize("policy", [Threshold(), ExactOnly()])
async def test_a_policy_that_does_not_learn_hears_nothing(
    make: Make, ask: Ask, policy: Any
) -> None:
    events: list[Event] = []
    fabric = make(policy, hooks=[events.append])
    await answered(fabric, ask(QUESTION))
    await answered(fabric, ask(NEAR))
    assert labels(events) == []


async def test_a_request_with_its_own_policy_teaches_that_one(make: Make, ask: Ask) -> None:
    events: list[Event] = []
    fabric = make(Threshold(), hooks=[events.append])
    learning = CacheOptions(policy=Verified())
    await answered(fabric, ask(QUESTION))
    await answered(fabric, ask(NEAR, options=learning))
    assert len(labels(events)) == 1
