"""A batch has the mix that it states, and each request is what it is labelled."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.demo.mix import DEFAULT_MIX, mixed
from cache_fabric.demo.traffic import Question, load_demo
from cache_fabric.errors import ValidationError

DATA = load_demo()
NEAR: dict[tuple[str, str], str] = {(trap.app, trap.question): trap.near for trap in DATA.traps}


def kinds(batch: list[Question]) -> Counter[str]:
    return Counter(question.kind for question in batch)


def test_the_usual_mix_comes_as_it_is_stated() -> None:
    assert kinds(mixed(DATA, DEFAULT_MIX)) == DEFAULT_MIX


@given(
    st.fixed_dictionaries({kind: st.integers(0, 100) for kind in DEFAULT_MIX}).filter(
        lambda mix: sum(mix.values()) > 0
    ),
    st.integers(0, 5),
)
def test_each_request_is_what_its_label_says(mix: dict[str, int], seed: int) -> None:
    batch = mixed(DATA, mix, seed)
    assert len(batch) == sum(mix.values())
    texts: set[tuple[str, str]] = set()
    groups: set[tuple[str, str]] = set()
    for question in batch:
        text, group = (question.app, question.text), (question.app, question.group)
        is_known = {
            "new": group not in groups,
            "repeat": text in texts,
            "paraphrase": group in groups and text not in texts,
            "trap": (question.app, NEAR.get(text, "")) in texts and text not in texts,
        }
        assert is_known[question.kind], question
        texts.add(text)
        groups.add(group)


def test_what_the_table_has_no_more_of_becomes_a_repeat() -> None:
    found = kinds(mixed(DATA, {"new": 100}))
    assert found == {"new": len(DATA.groups), "repeat": 100 - len(DATA.groups)}


def test_a_seed_gives_one_order_and_another_gives_another() -> None:
    assert mixed(DATA, DEFAULT_MIX, 1) == mixed(DATA, DEFAULT_MIX, 1)
    assert mixed(DATA, DEFAULT_MIX, 1) != mixed(DATA, DEFAULT_MIX, 2)


@pytest.mark.parametrize(
    ("mix", "field"),
    [
        ({"other": 1}, "mix.other"),
        ({"new": -1}, "mix.new"),
        ({"new": True}, "mix.new"),
        ({"new": 1.5}, "mix.new"),
        ({}, "mix"),
        ({"new": 0}, "mix"),
        ({"new": 401}, "mix"),
    ],
)
def test_a_mix_that_is_none_is_refused_by_name(mix: dict[str, int], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        mixed(DATA, mix)
    assert caught.value.field == field
