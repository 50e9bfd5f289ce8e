"""The simulated model answers from its table, and says what that would have cost."""

from __future__ import annotations

from cache_fabric.demo.simulated import SimulatedModel
from cache_fabric.demo.traffic import load_demo
from cache_fabric.types import CacheRequest

DATA = load_demo()


def model(seconds: float = 0.0) -> SimulatedModel:
    return SimulatedModel(DATA, len, seconds)


def test_a_known_text_has_the_answer_of_its_group() -> None:
    for group in DATA.groups:
        assert {model().answer(text, group.app) for text in group.questions} == {group.answer}


def test_a_trap_has_its_own_answer() -> None:
    for trap in DATA.traps:
        assert model().answer(trap.question, trap.app) == trap.answer


def test_an_unknown_text_is_answered_like_the_nearest_of_its_application() -> None:
    group = next(group for group in DATA.groups if group.id == "paid-followers")
    assert model().answer("buy followers, 1000 for just $5, dm this page now") == group.answer


def test_a_text_like_no_other_is_answered_like_none() -> None:
    assert model().answer("zzz qqq") == "safe: nothing in it speaks against it"
    assert "team" in model().answer("zzz qqq", "support")


async def test_its_tokens_are_those_of_all_that_was_sent_and_said() -> None:
    messages = [{"role": "system", "content": "Sort."}, {"role": "user", "content": "zzz qqq"}]
    answer, usage = await model()(CacheRequest(model="m", messages=messages))
    assert (usage.input_tokens, usage.output_tokens) == (12, len(answer.text))
