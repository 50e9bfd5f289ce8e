"""Whatever a dictionary of feedback holds, the rules hold."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from cache_fabric.errors import ValidationError
from cache_fabric.feedback_rules import completed, feedback_id, read_feedback

BAD = st.sampled_from(
    [
        {"user_rating": 1},
        {"status": "failure"},
        {"label": "wrong"},
        {"match": False},
        {"correction": "x"},
    ]
)
WORDS = st.sampled_from(["success", "failure", "correct", "incorrect", "pending", "", None])
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "user_rating": st.none() | st.floats(1, 5),
        "score": st.none() | st.floats(0, 1),
        "status": WORDS,
        "label": WORDS,
        "match": st.none() | st.booleans(),
        "expected": st.text(max_size=2),
        "classification": st.text(max_size=2),
        "correction": st.none() | st.text(max_size=3),
        "comment": st.none() | st.text(max_size=3),
        "annotator": st.sampled_from(["HUMAN", "llm", "Code"]),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(st.text(max_size=6).map(lambda name: f"x_{name}"), JSON, max_size=3)


@given(KNOWN, BAD)
def test_bad_wins_over_whatever_else_is_said(fields: dict[str, Any], bad: dict[str, Any]) -> None:
    assert read_feedback({**fields, **bad}).verdict == "bad"


@given(KNOWN)
def test_verdict_and_score_agree(fields: dict[str, Any]) -> None:
    said = read_feedback(fields)
    assert said.score is None or 0 <= said.score <= 1
    assert said.judges or said.verdict is None
    assume(fields.get("score") is None)
    if said.verdict is not None:
        assert said.score is not None
        assert (said.score <= 0.25) == (said.verdict == "bad")


@given(KNOWN, UNKNOWN)
def test_unknown_fields_are_kept_and_mean_nothing(
    fields: dict[str, Any], unknown: dict[str, Any]
) -> None:
    with_them, without = read_feedback({**fields, **unknown}), read_feedback(fields)
    assert with_them.data == {**fields, **unknown}
    for name in ("name", "verdict", "score", "label", "comment", "correction", "why"):
        assert getattr(with_them, name) == getattr(without, name)
    assert feedback_id("1", with_them, trusted=True) == feedback_id("1", without, trusted=True)


@given(KNOWN, st.none() | st.text(max_size=5))
def test_a_remark_takes_no_verdict_back(fields: dict[str, Any], comment: str | None) -> None:
    before = read_feedback(fields)
    after = read_feedback(completed(before.data, {"comment": comment}))
    assert (after.verdict, after.correction) == (before.verdict, before.correction)


@given(
    st.dictionaries(st.sampled_from(["user_rating", "score", "label", "match"]) | st.text(), JSON)
)
def test_no_dictionary_breaks_the_rules(fields: dict[str, Any]) -> None:
    try:
        said = read_feedback(fields)
    except ValidationError as error:
        assert error.field.startswith("feedback")
    else:
        assert said.data == fields
