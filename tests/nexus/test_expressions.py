"""The condition of an edge reads the state, and can do nothing else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.expressions import Expression
from cache_fabric.nexus.manifest import Place

PLACE = Place(file="m.yaml", line=3, field="graphs[0].edges[0].condition.expression")
STATE: dict[str, Any] = {
    "risk": 0.7,
    "output": "data_quality",
    "user": {"plan": "free", "tags": ["new"]},
    "done": False,
}


def holds(text: str, names: dict[str, Any] | None = None) -> bool:
    return Expression(text, PLACE).holds(STATE if names is None else names)


@pytest.mark.parametrize(
    "text",
    [
        "risk > 0.5",
        "contains(output, 'data')",
        "'quality' in output and not done",
        "user.plan == 'free' and 'new' in user.tags",
        "user['plan'] in ['free', 'trial']",
        "0.5 < risk <= 1 and done == false",
        "(risk * 2 if done else risk) < 1",
        "len(output) == 12 and lower(output) == 'data_quality'",
        " risk > 0.5 ",
        "7 % 4 == 3",
    ],
)
def test_a_condition_that_is_true_holds(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text})")


@pytest.mark.parametrize(
    "text",
    [
        "missing",
        "not missing",
        "user.missing == 1",
        "risk > 'a'",
        "1 / 0 > 1",
        "'%d' % 7 == '7'",
        "user.plan.x.y == 1",
    ],
)
def test_what_cannot_be_answered_does_not_hold_and_is_told_once(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    condition = Expression(text, PLACE)
    with caplog.at_level(logging.WARNING):
        assert not condition.holds(STATE)
        assert not condition.holds(STATE)
    assert [PLACE.field in message for message in caplog.messages] == [True]


class Canary:
    """Says if anybody calls or opens it."""

    def __init__(self) -> None:
        self.touched: list[str] = []

    def fire(self) -> bool:
        self.touched.append("fire")
        return True


@pytest.mark.parametrize(
    "text",
    [
        "canary.fire()",
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "[x for x in (1, 2)]",
        "(lambda: 1)()",
        "9 ** 9 ** 9",
        "1 << 9999",
        "f'{risk}'",
        "(risk := 1)",
        "len(*[output])",
        "str(object=risk)",
        "risk > 0.5; done",
        "import os",
        "",
        "a" * 3_000,
        "(" * 500 + "1" + ")" * 500,
    ],
)
def test_anything_else_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^m\.yaml:3: graphs\[0\]\.edges\[0\]"):
        Expression(text, PLACE)


def test_no_attribute_of_an_object_is_reached() -> None:
    canary = Canary()
    assert not holds("canary.touched == []", {"canary": canary})
    assert not holds("canary.__class__ != 1", {"canary": canary})
    assert canary.touched == []


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_an_error_with_a_place(text: str) -> None:
    try:
        condition = Expression(text, PLACE)
    except ManifestError as error:
        assert error.line == 3
    else:
        assert condition.holds(STATE) in (True, False)
