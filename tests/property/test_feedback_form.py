"""Feedback comes back from the store as it went in, and is found by what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric import codec
from cache_fabric.errors import CodecError
from cache_fabric.feedback_form import as_record, document, feedback_query, marks, read
from cache_fabric.feedback_rules import read_feedback
from cache_fabric.records import Execution, Feedback

SECRET = b"secret"
DATA = st.fixed_dictionaries(
    {},
    optional={
        "user_rating": st.integers(1, 5),
        "score": st.floats(0, 1),
        "label": st.sampled_from(["correct", "incorrect", "concise"]),
        "comment": st.text(max_size=20),
        "annotator": st.sampled_from(["HUMAN", "LLM"]),
        "annotator_id": st.sampled_from(["ann", "bob"]),
        "x": st.lists(st.none() | st.booleans() | st.text(max_size=3)),
    },
)
CONTEXTS = st.lists(
    st.fixed_dictionaries({"key": st.text(min_size=1, max_size=4), "version": st.integers(1, 3)}),
    max_size=3,
)


def recorded(data: dict[str, Any], contexts: list[Any], earlier: Feedback | None) -> Feedback:
    execution = Execution(
        execution_id="1",
        graph_name="g",
        state={"contexts": contexts},
        timestamp=datetime.now(UTC),
        tenant="acme",
        user="ann",
    )
    return as_record("1", read_feedback(data), True, 1_800_000_000.25, execution, earlier)


@given(DATA, DATA, CONTEXTS)
def test_it_comes_back_as_it_went_in(
    data: dict[str, Any], before: dict[str, Any], contexts: list[Any]
) -> None:
    feedback = recorded(data, contexts, recorded(before, [], None))
    assert read(document(feedback, SECRET).value, SECRET) == feedback


@given(DATA, CONTEXTS)
def test_it_is_found_by_what_it_says(data: dict[str, Any], contexts: list[Any]) -> None:
    feedback = recorded(data, contexts, None)
    terms = document(feedback, SECRET).terms
    assert feedback_query(execution="1", tenant="acme", user="ann").terms <= terms
    assert feedback_query(verdict=feedback.verdict or "none").terms <= terms
    assert feedback_query(annotator=feedback.annotator).terms <= terms
    if feedback.annotator_id is not None:
        assert feedback_query(annotator=feedback.annotator_id).terms <= terms
    for context in contexts:
        for name in (context["key"], f"{context['key']}@{context['version']}"):
            assert feedback_query(context=name).terms <= terms


@given(st.lists(DATA, max_size=5))
def test_one_bad_word_marks_the_run(given_: list[dict[str, Any]]) -> None:
    said = [recorded(data, [], None) for data in given_]
    terms, numbers = marks(said)
    verdicts = {feedback.verdict for feedback in said}
    wanted = {("feedback", next((v for v in ("bad", "good") if v in verdicts), "none"))}
    assert terms == (wanted if said else frozenset())
    scores = [feedback.score for feedback in said if feedback.score is not None]
    assert numbers.keys() == ({"score"} if scores else set())
    if scores:
        assert numbers["score"] == pytest.approx(sum(scores) / len(scores))


@pytest.mark.parametrize(
    "data", [b"", codec.pack({"a": 1}, SECRET), codec.pack({}, b"another secret")]
)
def test_what_is_no_feedback_of_ours_is_not_read(data: bytes) -> None:
    with pytest.raises(CodecError):
        read(data, SECRET)
