"""A graph goes on where the answer says, and never where a label only occurs in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus.manifest import Edge, Place
from cache_fabric.nexus.routing import Happened, Ways, chosen
from nexus.running import edge

ROUTES = ("safe", "unsafe", "self-harm", "low risk")


@pytest.mark.parametrize(
    ("said", "route"),
    [
        ("safe", "safe"),
        (" SAFE.\n", "safe"),
        ('"unsafe"', "unsafe"),
        ("**Low risk**", "low risk"),
        ("self-harm: the writer asks for help", "self-harm"),
        ("self-harm - asks for help", "self-harm"),
        ("safe, a recipe", "safe"),
        ("Let me think.\nIt quotes a threat.\nsafe", "safe"),
        ("Answer: unsafe", "unsafe"),
        ('{"route": "unsafe", "why": "safe words"}', "unsafe"),
        ('```json\n{"decision": "safe"}\n```', "safe"),
        ({"label": "low risk"}, "low risk"),
        ({"safe": True, "unsafe": False}, "safe"),
        ({"safe": True, "unsafe": True}, None),
        ("this is not safe", None),
        ("safe: no", None),
        ("unsafe: false\nsafe: true", None),
        ("unsafely", None),
        ("safe unsafe", None),
        ("", None),
        (None, None),
        (7, None),
        ("{broken", None),
    ],
)
def test_a_route_has_to_be_named(said: Any, route: str | None) -> None:
    assert chosen(ROUTES, said) == route


@given(st.sampled_from(ROUTES), st.text(max_size=30), st.sampled_from(["{}", " {}. ", "{}: {}"]))
def test_a_label_with_a_remark_is_the_label(route: str, remark: str, form: str) -> None:
    assert chosen(ROUTES, form.format(route.upper(), remark)) == route


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_any_answer_is_a_route_or_none(said: str, routes: list[str]) -> None:
    assert chosen(routes, said) in (*routes, None)


@pytest.mark.parametrize(
    ("happened", "said", "target"),
    [
        ("success", "a", "to-a"),
        ("success", "c", "otherwise"),
        ("error", None, "failed"),
        ("timeout", None, "late"),
        ("approval", "yes", "approved"),
        ("rejection", "no", "otherwise"),
    ],
)
def test_conditions_come_first_then_what_happened_then_the_rest(
    happened: Happened, said: Any, target: str
) -> None:
    ways = Ways(
        "n",
        [
            edge("n", "otherwise"),
            edge("n", "to-a", "a"),
            edge("n", "failed", trigger="error"),
            edge("n", "late", trigger="timeout"),
            edge("n", "approved", trigger="approval"),
        ],
    )
    assert ways.after(happened, said, {}) == target


def test_the_first_condition_that_holds_is_taken() -> None:
    ways = Ways("n", [edge("n", f"over-{n}", expression=f"risk > {n}") for n in (8, 5, 2)])
    assert [ways.after("success", None, {"risk": n}) for n in (9, 6, 3, 1)] == [
        "over-8",
        "over-5",
        "over-2",
        None,
    ]


def test_a_route_with_an_expression_needs_both() -> None:
    ways = Ways("n", [edge("n", "both", "a", expression="risk > 1"), edge("n", "else")])
    assert ways.after("success", "a", {"risk": 2}) == "both"
    assert ways.after("success", "a", {"risk": 0}) == "else"
    assert ways.after("success", "b", {"risk": 2}) == "else"


def test_an_answer_that_names_no_route_is_an_error_which_does_not_repeat_it() -> None:
    ways = Ways("triage", [edge("triage", "x", "a"), edge("triage", "y", "b")])
    with pytest.raises(ValidationError, match="triage: expected one of a, b") as raised:
        ways.after("success", "a secret", {})
    assert "secret" not in str(raised.value)


def test_always_is_taken_after_an_error_too() -> None:
    ways = Ways("n", [edge("n", "end", trigger="always")])
    assert ways.after("success", None, {}) == ways.after("error", None, {}) == "end"


def test_a_custom_event_is_one_that_the_answer_names() -> None:
    ways = Ways("n", [edge("n", "rest"), edge("n", "done", trigger="custom:review_done")])
    assert ways.after("success", "review_done: all well", {}) == "done"
    assert ways.after("success", {"status": "review_done"}, {}) == "done"
    assert ways.after("success", "not review_done", {}) == "rest"


def test_without_a_way_the_graph_ends() -> None:
    assert Ways("n", []).after("success", "anything", {}) is None


@pytest.mark.parametrize("trigger", ["custom", "sucess", "customised"])
def test_an_unknown_trigger_is_told_with_its_place(trigger: str) -> None:
    place = Place(file="m.yaml", line=7, field="graphs[0].edges[1]")
    with pytest.raises(ManifestError, match=r"m.yaml:7: graphs\[0\].edges\[1\].condition.trigger"):
        Ways("n", [Edge(source="n", target="m", trigger=trigger, place=place)])
