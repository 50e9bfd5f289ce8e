"""How many answers stand on contexts, and what they cost."""

from __future__ import annotations

from cache_fabric import CacheFabric, CacheRequest, ContextScope, Usage
from cache_fabric.context_answers import AnswerSum

ROUTER, NODE = "router:triage:system_prompt", "node:main:reply:prompt"
USAGE = Usage(input_tokens=1_000, output_tokens=1_000)


async def kept(
    fabric: CacheFabric,
    question: str,
    *systems: str,
    model: str = "gpt-4o-mini",
    tenant: str | None = None,
) -> str:
    system = [{"role": "system", "content": text} for text in systems]
    messages = [*system, {"role": "user", "content": question}]
    request = CacheRequest(model=model, messages=messages, tenant=tenant)
    entry_id = await fabric.store(request, f"the answer to {question}", usage=USAGE)
    assert entry_id is not None
    await fabric.flush()
    return entry_id


async def test_an_answer_on_two_contexts_is_counted_once_in_the_total(
    any_fabric: CacheFabric,
) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await any_fabric.set_context(NODE, "Answer it.")
    await kept(any_fabric, "one?", "Route it.")
    both = await any_fabric.get_entry(await kept(any_fabric, "two?", "Route it.", "Answer it."))
    await kept(any_fabric, "three?", "Something else.")
    assert both is not None
    assert both.cost_micros
    found = await any_fabric.count_answers([ROUTER, NODE, "unknown"])
    assert {key: each.count for key, each in found.by_key.items()} == {
        ROUTER: 2,
        NODE: 1,
        "unknown": 0,
    }
    assert found.total == AnswerSum(count=2, micros=2 * both.cost_micros)
    assert any_fabric.sync.count_answers([NODE]).total.cost == both.cost_micros / 1e6


async def test_answers_of_another_behaviour_or_that_are_bad_do_not_count(
    any_fabric: CacheFabric,
) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await kept(any_fabric, "one?", "Route it.")
    await any_fabric.set_context(ROUTER, "Route it  .", change="cosmetic")
    await kept(any_fabric, "two?", "Route it  .")
    bad = await kept(any_fabric, "three?", "Route it  .")
    assert (await any_fabric.count_answers([ROUTER])).total.count == 3
    await any_fabric.retire_answer(bad)
    assert (await any_fabric.count_answers([ROUTER])).total.count == 2
    await any_fabric.set_context(ROUTER, "Route it well.")
    assert (await any_fabric.count_answers([ROUTER])).total.count == 0


async def test_a_tenants_context_is_another_one(any_fabric: CacheFabric) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    tenants = ContextScope.TENANT
    await any_fabric.set_context(ROUTER, "Route it for acme.", tenants, tenant="acme")
    await kept(any_fabric, "one?", "Route it for acme.", tenant="acme")
    assert (await any_fabric.count_answers([ROUTER])).total.count == 0
    assert (await any_fabric.count_answers([ROUTER], tenant="acme")).total.count == 1


async def test_a_cost_that_nobody_knows_is_no_cost_of_nothing(any_fabric: CacheFabric) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await kept(any_fabric, "one?", "Route it.", model="nobody-prices-this")
    unknown = (await any_fabric.count_answers([ROUTER])).total
    assert (unknown.count, unknown.unpriced, unknown.cost) == (1, 1, None)
    await kept(any_fabric, "two?", "Route it.")
    partly = (await any_fabric.count_answers([ROUTER])).total
    assert (partly.count, partly.unpriced) == (2, 1)
    assert partly.cost is not None
    assert partly.cost > 0


async def test_the_count_tells_how_far_it_is(any_fabric: CacheFabric) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await kept(any_fabric, "one?", "Route it.")
    told: list[tuple[int, int]] = []
    await any_fabric.count_answers([ROUTER], progress=lambda *far: told.append(far))
    assert told == [(1, 1)]


async def test_answers_to_a_text_that_two_contexts_have_are_counted_only_where_all_are_asked_for(
    any_fabric: CacheFabric,
) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await kept(any_fabric, "one?", "Route it.")
    await any_fabric.set_context("router:zoo", "Route it.")
    assert (await any_fabric.count_answers([ROUTER])).by_key == {}
    assert (await any_fabric.count_answers(["router:zoo"])).by_key == {}
    both = await any_fabric.count_answers([ROUTER, "router:zoo"])
    assert [each.count for each in both.by_key.values()] == [1, 1]
    assert both.total.count == 1


async def test_answers_follow_a_text_to_the_context_that_has_it_now(
    any_fabric: CacheFabric,
) -> None:
    await any_fabric.set_context(ROUTER, "Route it.")
    await kept(any_fabric, "one?", "Route it.")
    await any_fabric.set_context("router:zoo", "Route it.")
    await any_fabric.set_context(ROUTER, "Do nothing.")
    assert (await any_fabric.count_answers(["router:zoo"])).total.count == 1
    assert (await any_fabric.count_answers([ROUTER])).total.count == 0
    await any_fabric.delete_context(ROUTER)
    assert (await any_fabric.count_answers(["router:zoo"])).total.count == 1
