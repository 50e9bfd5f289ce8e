"""Whether two answers say the same, told from their text or from their meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.answers import same_meaning, same_text

PROSE = "You can return an item by post within thirty days of its delivery, free of charge."
OTHER = "Within thirty days of delivery an item can be returned by post, and that costs nothing."
SAID = st.text(max_size=80).filter(lambda text: bool(text.strip()))


@given(SAID)
def test_case_and_spaces_do_not_count(text: str) -> None:
    assert same_text(text, f"  {text}\n") is True
    assert same_text("Refund  NOW", "refund now\n") is True


def test_short_answers_that_differ_are_different() -> None:
    assert same_text("42", "43") is False
    assert same_text("refund", PROSE) is False


def test_prose_that_differs_is_left_to_its_meaning() -> None:
    assert same_text(PROSE, OTHER) is None


@pytest.mark.parametrize("other", ["", " \n", "42", PROSE])
def test_an_answer_without_text_cannot_be_compared(other: str) -> None:
    assert same_text("", other) is None
    assert same_text(other, " ") is None


@given(SAID, SAID)
def test_the_order_of_two_answers_does_not_count(one: str, two: str) -> None:
    assert same_text(one, two) == same_text(two, one)


@pytest.mark.parametrize(
    ("cosine", "said"), [(1.0, True), (0.91, True), (0.89, None), (0.61, None), (0.59, False)]
)
def test_the_cosine_of_two_meanings_says_yes_no_or_nothing(
    cosine: float, said: bool | None
) -> None:
    one = np.array([1.0, 0.0], np.float32)
    two = np.array([cosine, (1 - cosine**2) ** 0.5], np.float32)
    assert same_meaning(one, two) is said
