"""A judged run as an example, and the split that its input belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.dataset_rows import Skipped, check_split, example, line, split_of
from cache_fabric.errors import ValidationError
from cache_fabric.records import Execution, Feedback

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPLIT = {"train": 0.8, "test": 0.2}


def ran(**state: Any) -> Execution:
    given = {"input": "q", "output": "a", "contexts": [{"key": "k", "version": 2}], **state}
    return Execution(execution_id="x", graph_name="g", state=given, timestamp=NOW)


def said(**fields: Any) -> Feedback:
    data = fields.pop("data", {})
    return Feedback(execution_id="x", data=data, timestamp=NOW, id="f", **fields)


def test_an_example_tells_where_it_comes_from() -> None:
    newest = said(verdict="good", score=1.0, comment="nice")
    older = said(verdict="good", score=0.5, comment="hm", label="correct")
    row = example(ran(), [newest, older], SPLIT)
    assert row == {
        "version": 1,
        "split": split_of("q", SPLIT),
        "input": "q",
        "expected": "a",
        "expected_from": "output",
        "actual": "a",
        "score": 0.75,
        "label": "correct",
        "comment": "nice",
        "execution_id": "x",
        "graph": "g",
        "contexts": [{"key": "k", "version": 2}],
    }


@pytest.mark.parametrize(
    ("feedback", "expected", "source"),
    [
        ([said(correction="c2"), said(correction="c1")], "c2", "correction"),
        ([said(data={"expected": "e"}), said(correction="c")], "c", "correction"),
        ([said(data={"expected": ["e"]}), said(verdict="bad")], ["e"], "expected"),
        ([said(verdict="good")], "a", "output"),
    ],
)
def test_a_correction_counts_before_what_was_expected_before_a_good_output(
    feedback: list[Feedback], expected: Any, source: str
) -> None:
    row = example(ran(), feedback, SPLIT)
    assert (row["expected"], row["expected_from"]) == (expected, source)


@pytest.mark.parametrize(
    ("execution", "feedback", "reason"),
    [
        (None, [said(correction="c")], "gone"),
        (ran(input=None), [said(correction="c")], "no input"),
        (ran(), [said(verdict="good"), said(verdict="bad")], "bad"),
        (ran(), [said()], "nobody said"),
        (ran(output=None), [said(verdict="good")], "no output"),
    ],
)
def test_what_is_no_example_says_why(
    execution: Execution | None, feedback: list[Feedback], reason: str
) -> None:
    with pytest.raises(Skipped, match=reason):
        example(execution, feedback, SPLIT)


def test_the_messages_of_a_run_are_its_input_where_it_names_none() -> None:
    state = {"input": None, "messages": [{"role": "user", "content": "why?"}]}
    assert example(ran(**state), [said(verdict="good")], SPLIT)["input"] == "why?"


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3) | st.text())
def test_the_split_follows_from_the_input_alone(value: Any) -> None:
    assert split_of(value, SPLIT) == split_of(value, dict(SPLIT)) in SPLIT
    if isinstance(value, dict):
        assert split_of(dict(reversed(value.items())), SPLIT) == split_of(value, SPLIT)


@given(st.text("abc XYZ"))
def test_spaces_and_case_do_not_change_the_split(text: str) -> None:
    other = f"  {text.swapcase()}\n"
    assert split_of(other.replace(" ", "  "), SPLIT) == split_of(text, SPLIT)


def test_splits_have_about_their_shares() -> None:
    split = {"train": 0.7, "test": 0.2, "dev": 0.1}
    found = [split_of(f"question {number}", split) for number in range(5_000)]
    for name, share in split.items():
        assert found.count(name) / 5_000 == pytest.approx(share, abs=0.03)


def test_a_line_is_the_same_whatever_the_order_of_its_fields() -> None:
    assert line({"b": "é", "a": 1}) == line({"a": 1, "b": "é"}) == '{"a": 1, "b": "é"}\n'.encode()


@pytest.mark.parametrize(
    "split",
    [{}, [], {"a": 0.5}, {"a": 1.5}, {"a": 0.0, "b": 1.0}, {"": 1.0}, {"a": True}, {"a": "1"}],
)
def test_a_split_that_is_none_is_named(split: Any) -> None:
    with pytest.raises(ValidationError, match="split"):
        check_split(split)
