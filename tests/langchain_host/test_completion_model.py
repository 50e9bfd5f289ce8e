"""A completion model with the cache: prompts are plain strings, answers plain generations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from langchain_core.globals import set_llm_cache

from cache_fabric.langchain import FabricCache

if TYPE_CHECKING:
    from langchain_host.conftest import CountingLLM

MakeLLM = Callable[..., "CountingLLM"]


def test_a_prompt_is_answered_once(make_llm: MakeLLM) -> None:
    llm = make_llm()
    assert llm.invoke("a") == llm.invoke("a") == "re: a"
    assert llm.prompts == ["a"]


async def test_a_prompt_is_answered_once_in_a_loop(make_llm: MakeLLM) -> None:
    llm = make_llm()
    assert await llm.ainvoke("a") == await llm.ainvoke("a") == "re: a"
    assert llm.prompts == ["a"]


def test_a_hit_equals_the_answer_that_was_stored(make_llm: MakeLLM) -> None:
    llm = make_llm()
    assert llm.generate(["a"]).generations == llm.generate(["a"]).generations


def test_one_prompt_twice_in_a_call_does_not_wait_for_itself(make_llm: MakeLLM) -> None:
    llm = make_llm()
    answers = llm.generate(["a", "a"]).generations
    assert [generations[0].text for generations in answers] == ["re: a", "re: a"]


async def test_nor_does_it_in_a_loop(make_llm: MakeLLM) -> None:
    llm = make_llm()
    answers = (await llm.agenerate(["a", "a"])).generations
    assert [generations[0].text for generations in answers] == ["re: a", "re: a"]


def test_only_what_is_missing_is_asked(make_llm: MakeLLM) -> None:
    llm = make_llm()
    llm.generate(["a"])
    answers = llm.generate(["b", "a"]).generations
    assert [generations[0].text for generations in answers] == ["re: b", "re: a"]
    assert llm.prompts == ["a", "b"]


def test_the_global_cache_serves_completion_models(make_llm: MakeLLM, cache: FabricCache) -> None:
    llm = make_llm(cache=None)
    set_llm_cache(cache)
    try:
        llm.invoke("a")
        llm.invoke("a")
    finally:
        set_llm_cache(None)
    assert llm.prompts == ["a"]


def test_another_model_is_asked_itself(make_llm: MakeLLM) -> None:
    one, two = make_llm(), make_llm(model="other-instruct")
    one.invoke("a")
    two.invoke("a")
    assert two.prompts == ["a"]
