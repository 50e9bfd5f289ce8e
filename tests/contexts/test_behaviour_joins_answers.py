"""A prompt version decides which answers may be served, in every process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cache_fabric import CacheFabric, CacheRequest, ContextScope, Hit, Miss
from contexts.conftest import Make

KEY = "router:support:system_prompt"
OLD, COSMETIC, NEW = "You are a shop's support.", "You are a shop's  support.", "Be a pirate."


def asked(system: str, question: str = "How do I return an item?", **more: str) -> CacheRequest:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return CacheRequest(model="m", messages=messages, **more)  # type: ignore[arg-type]


async def answer(fabric: CacheFabric, request: CacheRequest, text: str) -> None:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, text)
    await fabric.flush()


async def prompt(fabric: CacheFabric) -> str:
    value: str = (await fabric.get_context(KEY, max_staleness=0)).value
    return value


async def test_publish_leaves_the_answers_rollback_revives_them(make: Make) -> None:
    one, two = await make(), await make()
    await one.set_context(KEY, OLD)
    await answer(one, asked(await prompt(one)), "the old answer")
    await one.set_context(KEY, NEW)
    for fabric in (one, two):
        assert isinstance(await fabric.lookup(asked(await prompt(fabric))), Miss)
    await one.rollback_context(KEY, 1)
    found = await two.lookup(asked(await prompt(two)))
    assert isinstance(found, Hit)
    assert found.entry.payload == "the old answer"
    assert found.entry.contexts[0][1] == 1


async def test_a_cosmetic_change_keeps_the_answers(make: Make) -> None:
    fabric = await make()
    await fabric.set_context(KEY, OLD)
    await answer(fabric, asked(OLD), "kept")
    await fabric.set_context(KEY, COSMETIC, change="cosmetic")
    assert isinstance(await fabric.lookup(asked(COSMETIC)), Hit)
    near = await fabric.lookup(asked(COSMETIC, "How can I return an item?"))
    assert isinstance(near, Hit)


async def test_the_same_text_under_a_new_behaviour_finds_no_old_answer(make: Make) -> None:
    fabric = await make()
    await fabric.set_context(KEY, OLD)
    await answer(fabric, asked(OLD), "old")
    await fabric.set_context(KEY, OLD, change="breaking", message="the tools behind it changed")
    assert isinstance(await fabric.lookup(asked(OLD)), Miss)


@pytest.mark.parametrize("make_request", [asked], ids=["system"])
async def test_a_prompt_that_is_no_context_is_its_text(
    make: Make, make_request: Callable[..., CacheRequest]
) -> None:
    fabric = await make()
    await answer(fabric, make_request(OLD), "plain")
    assert isinstance(await fabric.lookup(make_request(OLD)), Hit)
    assert isinstance(await fabric.lookup(make_request(OLD + " ")), Miss)


async def test_one_tenants_context_does_not_touch_anothers_answers(make: Make) -> None:
    fabric = await make()
    await answer(fabric, asked(OLD, tenant="globex"), "theirs")
    await fabric.set_context(KEY, OLD, ContextScope.TENANT, tenant="acme")
    assert isinstance(await fabric.lookup(asked(OLD, tenant="globex")), Hit)
    await answer(fabric, asked(OLD, tenant="acme"), "mine")
    await fabric.set_context(KEY, OLD, ContextScope.TENANT, tenant="acme", change="behaviour")
    assert isinstance(await fabric.lookup(asked(OLD, tenant="globex")), Hit)
    assert isinstance(await fabric.lookup(asked(OLD, tenant="acme")), Miss)


async def test_a_fresh_process_knows_the_contexts_at_its_first_lookup(make: Make) -> None:
    first = await make()
    await first.set_context(KEY, OLD)
    await first.set_context(KEY, COSMETIC, change="cosmetic")
    await answer(first, asked(OLD), "kept")
    second = await make()
    assert isinstance(await second.lookup(asked(COSMETIC)), Hit)
