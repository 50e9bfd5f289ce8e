"""Answers given under a context leave a recipe behind: once a partition, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Miss, create_cache_fabric
from cache_fabric.keys import Known
from cache_fabric.recipe_form import recipe_of
from cache_fabric.recipes import RECIPES
from cache_fabric.subject import Subject

KEY, PROMPT = "router", "You are a shop's support."


def asked(question: str, system: str = PROMPT, **fields: Any) -> CacheRequest:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return CacheRequest(model="m", messages=messages, **fields)


async def answer(fabric: CacheFabric, request: CacheRequest) -> str:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "By post.")
    return missed.ticket.keys.partition


async def stored(fabric: CacheFabric) -> list[str]:
    await fabric.flush()
    store = fabric._life().parts.store
    return [key async for key, _ in store.scan(RECIPES)]


async def test_each_partition_under_a_context_has_one(
    any_fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with any_fabric as fabric:
        await fabric.set_context(KEY, PROMPT)
        recipes, made = fabric._life().recipes, Mock(wraps=recipe_of)
        monkeypatch.setattr("cache_fabric.recipes.recipe_of", made)
        partition = await answer(fabric, asked("How do I return it?"))
        assert await answer(fabric, asked("Who are you?")) == partition
        await answer(fabric, asked("How do I return it?", "No context"))
        assert await stored(fabric) == [RECIPES + partition]
        assert made.call_count == 1
        recipe = await recipes.get(partition)
        assert recipe is not None
        assert recipe.contexts == ((0, f"global\x1f{KEY}", 1),)


async def test_a_request_that_the_caller_goes_on_with_is_kept_as_it_was(
    any_fabric: CacheFabric,
) -> None:
    async with any_fabric as fabric:
        await fabric.set_context(KEY, PROMPT)
        request = asked("How do I return it?")
        partition = await answer(fabric, request)
        request.messages.append({"role": "assistant", "content": "By post."})  # type: ignore[attr-defined]
        await fabric.flush()
        recipe = await fabric._life().recipes.get(partition)
        assert recipe is not None
        assert len(recipe.messages) == 2


async def test_a_fault_of_ours_does_not_lose_the_answer(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("cache_fabric.recipes.recipe_of", broken)
    await fabric.set_context(KEY, PROMPT)
    await answer(fabric, asked("How do I return it?"))
    assert "a recipe was not kept" in caplog.text
    assert not isinstance(await fabric.lookup(asked("How do I return it?")), Miss)


async def test_recipes_are_bounded_like_answers(tmp_path: Path) -> None:
    config = FabricConfig(max_entries=5, exact_timeout=30, semantic_timeout=30)
    async with create_cache_fabric("memory", config=config) as fabric:
        await fabric.set_context(KEY, PROMPT)
        for number in range(12):
            await answer(fabric, asked("Why?", params={"seed": number}))
        assert len(await stored(fabric)) <= 5


async def test_a_subjects_recipes_are_erased_and_may_come_back(any_fabric: CacheFabric) -> None:
    async with any_fabric as fabric:
        await fabric.set_context(KEY, PROMPT)
        hers = await answer(fabric, asked("Why?", tenant="acme", user="ann"))
        his = await answer(fabric, asked("Why?", tenant="acme", user="bob"))
        recipes = fabric._life().recipes
        assert await recipes.erase(Subject(user="ann")) == 1
        assert await stored(fabric) == [RECIPES + his]
        assert await recipes.get(hers) is None
        await answer(fabric, asked("Who?", tenant="acme", user="ann"))
        assert sorted(await stored(fabric)) == sorted([RECIPES + hers, RECIPES + his])


def test_nothing_is_known_before_there_are_contexts(fabric: CacheFabric) -> None:
    from cache_fabric.scopes import Owner

    known: Known | None = fabric._life().contexts.live.known(Owner())
    assert known is None
