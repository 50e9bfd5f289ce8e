"""What tells two answers of like meaning apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.answer_changes import told_apart

PROSE = "You can return an item to our shop in Oslo within 30 days, free of charge."


@pytest.mark.parametrize(
    "new",
    [
        PROSE.replace("30", "14"),
        PROSE.replace("days", "weeks"),
        PROSE.replace("can", "cannot"),
        PROSE.replace("Oslo", "Bergen"),
        PROSE.replace("return", "exchange"),
        PROSE.replace("free of charge", "at your own charge"),
    ],
)
def test_one_telling_word_is_enough(new: str) -> None:
    assert told_apart(PROSE, new) is not None
    assert told_apart(new, PROSE) is not None


def test_another_order_of_the_same_things_is_none() -> None:
    new = "Within 30 days, an item can be returned to our shop in Oslo, free of charge."
    assert told_apart(PROSE, new) is None


def test_texts_that_are_too_long_to_read_are_told_apart() -> None:
    assert told_apart("word " * 5_000, "word " * 5_001) == "another length"


@given(st.text())
def test_a_text_is_never_told_from_itself(text: str) -> None:
    assert told_apart(text, text) is None
