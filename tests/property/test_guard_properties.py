from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache_fabric.guard import compare
from cache_fabric.guard.reading import read
from cache_fabric.guard.spelling import same_word

TEXTS = st.text(max_size=200)
VOCABULARY = """
    how do i not turn on off the a from to by between and lights lamp paris rome monday two 5
    show me what was will best way of states united your my all 10% $7 don't
"""
SENTENCES = st.lists(st.sampled_from(VOCABULARY.split()), max_size=12).map(" ".join)


@given(TEXTS)
@example("\ud800")
@example("İ'S n't \u2019 '")
@example("1,2.3:4/5th$ 0.0.0 ²")
def test_any_text_is_the_same_as_itself(text: str) -> None:
    assert compare(text, text).allowed
    assert compare(f" {text} ", f"{text}\n").allowed


@given(TEXTS, TEXTS)
def test_a_verdict_has_reasons_exactly_when_it_refuses(left: str, right: str) -> None:
    verdict = compare(left, right)
    assert verdict.allowed == (not verdict.reasons)
    assert all(reason and len(reason) < 250 for reason in verdict.reasons)


@given(SENTENCES, SENTENCES)
@settings(max_examples=500)
def test_the_two_texts_may_change_places(left: str, right: str) -> None:
    assert compare(left, right).allowed == compare(right, left).allowed


@given(SENTENCES)
def test_one_more_negation_is_never_allowed(sentence: str) -> None:
    assert not compare(sentence, f"{sentence} never").allowed


@given(SENTENCES, st.integers(min_value=0), st.integers(min_value=0))
def test_another_number_is_never_allowed(sentence: str, one: int, other: int) -> None:
    same = compare(f"{sentence} for {one} nights", f"{sentence} for {other} nights")
    assert same.allowed == (one == other)


@given(SENTENCES, st.characters(categories=["So", "Sm", "Lo", "Lu", "Nd"]))
def test_a_sign_of_any_script_counts_as_content(sentence: str, sign: str) -> None:
    assert not compare(sentence, f"{sentence} ☃{sign}").allowed


LETTERS = st.text(alphabet="abdegiosuyz", min_size=1, max_size=9)


@given(LETTERS, LETTERS, LETTERS)
@settings(max_examples=500)
def test_two_words_are_one_word_either_way(stem: str, ours: str, theirs: str) -> None:
    left, right = stem + ours, stem + theirs
    assert same_word(left, right) == same_word(right, left)


HOSTILE = [
    *("a ", "a", "1,", "1.", "1/", "9", "one ", "hundred ", "two million million ", "-1", "$ "),
    *('"', '"a', "a'", "'", ".", "+", "c+", "_", " ", "\u0301", "e\u0301", "\u200d", "\ud800"),
    *("and x ", "not ", "from ", "between a and ", "united states ", "best way to ", "all "),
    *("中", "कि", "İ", "👍", "am i ", "this week ", "n't "),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_text_that_repeats_itself_is_compared_like_any_other(unit: str) -> None:
    text = unit * (8_000 // len(unit))
    assert compare(text, f"{text}\n").allowed
    assert not compare(text, f"{text} flour").allowed


@pytest.mark.parametrize("unit", ["a'", '"a', "1,", "\u0301", "two million million "])
def test_a_text_of_256_kib_is_read_to_its_end(unit: str) -> None:
    text = unit * (256 * 1024 // len(unit))
    assert read(f"{text} flour").words[-1].text == "flour"
