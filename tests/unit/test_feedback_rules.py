"""What a free dictionary says of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.errors import ValidationError
from cache_fabric.feedback_rules import completed, feedback_id, read_feedback

BAD: list[dict[str, Any]] = [
    {"user_rating": 1},
    {"user_rating": 2},
    {"status": "failure"},
    {"status": "Failed"},
    {"label": "incorrect"},
    {"label": "thumbs-down"},
    {"match": False},
    {"classification": "high", "expected": "low"},
    {"correction": "Bern."},
]
GOOD: list[dict[str, Any]] = [
    {"user_rating": 4},
    {"user_rating": 5.0},
    {"status": "success"},
    {"status": "correct"},
    {"label": "Correct"},
    {"match": True},
    {"classification": "High ", "expected": "high"},
]
SILENT: list[dict[str, Any]] = [
    {},
    {"user_rating": 3},
    {"score": 0.0},
    {"status": "pending"},
    {"label": "concise"},
    {"comment": "incorrect"},
    {"expected": "low"},
    {"classification": "low"},
    {"trusted": False},
]


@pytest.mark.parametrize("given", BAD)
def test_bad(given: dict[str, Any]) -> None:
    assert read_feedback(given).verdict == "bad"


@pytest.mark.parametrize("given", GOOD)
def test_good(given: dict[str, Any]) -> None:
    assert read_feedback(given).verdict == "good"


@pytest.mark.parametrize("given", SILENT)
def test_no_verdict(given: dict[str, Any]) -> None:
    assert read_feedback(given).verdict is None


def test_a_match_that_is_given_is_not_worked_out() -> None:
    loose = {"classification": "high risk", "expected": "high", "match": True}
    assert read_feedback(loose).verdict == "good"


def test_what_was_expected_is_no_correction() -> None:
    said = read_feedback({"match": False, "classification": "high", "expected": "low"})
    assert said.correction is None


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ({"score": 0.25, "user_rating": 5}, 0.25),
        ({"score": True}, 1.0),
        ({"value": 0.5}, 0.5),
        ({"value": 7}, None),
        ({"value": False}, None),
        ({"user_rating": 1}, 0.0),
        ({"user_rating": 4}, 0.75),
        ({"user_rating": 2, "label": "incorrect"}, 0.25),
        ({"user_rating": 5, "match": False}, 0.0),
        ({"match": True}, 1.0),
        ({"label": "wrong"}, 0.0),
        ({"correction": "Bern."}, 0.0),
        ({"label": "concise"}, None),
        ({"comment": "hm"}, None),
    ],
)
def test_the_score(given: dict[str, Any], score: float | None) -> None:
    assert read_feedback(given).score == score


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ([], "feedback", "a mapping"),
        ({"a": {1}}, "feedback.a", "JSON data"),
        ({"user_rating": 6}, "feedback.user_rating", "from 1 to 5"),
        ({"user_rating": 0}, "feedback.user_rating", "from 1 to 5"),
        ({"user_rating": "5"}, "feedback.user_rating", "a number"),
        ({"user_rating": True}, "feedback.user_rating", "a number"),
        ({"score": 4}, "feedback.score", "from 0 to 1.*user_rating"),
        ({"score": -1}, "feedback.score", "from 0 to 1"),
        ({"score": float("nan")}, "feedback.score", "finite"),
        ({"status": 1}, "feedback.status", "text"),
        ({"label": True}, "feedback.label", "text"),
        ({"match": "false"}, "feedback.match", "true or false"),
        ({"comment": ["a"]}, "feedback.comment", "text"),
        ({"correction": {"output": "Bern."}}, "feedback.correction", "text"),
        ({"annotator": "alice"}, "feedback.annotator", "HUMAN, LLM or CODE.*annotator_id"),
        ({"annotator": {"kind": 3}}, "feedback.annotator", "HUMAN, LLM or CODE"),
        ({"annotator_id": 7}, "feedback.annotator_id", "text"),
        ({"name": "a\nb"}, "feedback.name", "control"),
    ],
)
def test_a_known_field_that_is_wrong_is_named(given: Any, field: str, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected) as raised:
        read_feedback(given)
    assert raised.value.field == field


def test_who_says_so() -> None:
    said = read_feedback({"annotator": "llm", "annotator_id": "judge-1"})
    assert (said.annotator, said.annotator_id) == ("LLM", "judge-1")
    said = read_feedback({"annotator": {"kind": "Code", "id": "ci"}})
    assert (said.annotator, said.annotator_id) == ("CODE", "ci")
    assert (read_feedback({}).annotator, read_feedback({}).annotator_id) == ("HUMAN", None)


def test_fields_by_the_names_of_other_products() -> None:
    langsmith = read_feedback({"key": "tone", "score": 1, "value": "good", "comment": "kind"})
    assert (langsmith.name, langsmith.score, langsmith.comment) == ("tone", 1.0, "kind")
    phoenix = read_feedback(
        {
            "name": "correctness",
            "annotator_kind": "LLM",
            "label": "incorrect",
            "explanation": "another city",
            "identifier": "judge-1",
        }
    )
    assert (phoenix.verdict, phoenix.annotator, phoenix.annotator_id) == ("bad", "LLM", "judge-1")
    assert phoenix.comment == phoenix.why == "another city"
    mlflow = read_feedback({"name": "relevance", "value": 0.5, "rationale": "half of it"})
    assert (mlflow.score, mlflow.comment) == (0.5, "half of it")
    assert read_feedback({"key": 5, "identifier": {}}).name == "feedback"


def test_the_reason_is_the_comment_or_the_fields_that_led_to_it() -> None:
    assert read_feedback({"user_rating": 1, "comment": "wrong city"}).why == "wrong city"
    mixed = {"user_rating": 1, "status": "success", "match": False}
    assert read_feedback(mixed).why == "user_rating 1, match false"
    assert read_feedback({"comment": "x" * 10_000}).why == "x" * 500


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_field_is_not_given(blank: str | None) -> None:
    names = ("correction", "label", "status", "comment", "user_rating", "match", "annotator_id")
    said = read_feedback(dict.fromkeys(names, blank))
    assert (said.verdict, said.judges, said.correction, said.comment) == (None, False, None, None)
    assert said.annotator_id is None


@pytest.mark.parametrize("given", [{}, {"comment": "a"}, {"score": 1}, {"expected": "x"}])
def test_a_remark_judges_nothing(given: dict[str, Any]) -> None:
    assert not read_feedback(given).judges
    assert read_feedback({**given, "user_rating": 3}).judges


def test_a_remark_completes_what_was_said_before() -> None:
    both = completed({"user_rating": 1, "comment": "no"}, {"explanation": "wrong city"})
    assert both == {"user_rating": 1, "explanation": "wrong city"}
    blank = {"user_rating": None, "comment": "wrong city", "label": ""}
    assert completed({"user_rating": 1, "label": "wrong"}, blank) == {
        "user_rating": 1,
        "label": "wrong",
        "comment": "wrong city",
    }


def test_one_name_and_annotator_is_one_feedback() -> None:
    def of(given: dict[str, Any], run: str = "1", *, trusted: bool = True) -> str:
        return feedback_id(run, read_feedback(given), trusted=trusted)

    assert of({"user_rating": 1}) == of({"user_rating": 5, "annotator": "human"})
    ids = {
        of({}),
        of({}, "2"),
        of({}, trusted=False),
        of({"name": "tone"}),
        of({"annotator": "LLM"}),
        of({"annotator_id": "HUMAN"}),
        of({"annotator_id": "ann"}),
    }
    assert len(ids) == 7
