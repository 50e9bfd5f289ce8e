"""The figures of two texts: as many as their names, finite, and symmetric where they must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.matcher import profile as profiles
from cache_fabric.matcher.features import (
    BUCKETS,
    TRAINED,
    VECTOR_NAMES,
    Neighborhood,
    Rarity,
    _bucket,
    differences,
    pair_figures,
)
from cache_fabric.matcher.profile import profile

ODD = (
    *("", " ", "\x00", "\ud800", "a\udfffb", "\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f"),
    *("?" * 50, "word " * 1_700, "\u9577\u3044\u6587" * 2_700),
)
WORDS = st.lists(
    st.sampled_from(
        [
            "how",
            "do",
            "i",
            "not",
            "return",
            "5",
            "6",
            "items",
            "from",
            "to",
            "Paris",
            "Rome",
            "shoes",
            "the",
        ]
    )
).map(" ".join)
TEXTS = st.text(max_size=60) | WORDS | st.sampled_from(ODD)
SIMILARITIES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=16).map(
    lambda found: np.array(sorted(found, reverse=True))
)
_NEIGHBOR_COUNT = TRAINED.index("filled") - TRAINED.index("similarity") + 1
_PAIR_COUNT = len(TRAINED) - _NEIGHBOR_COUNT
SYMMETRIC = (
    *("terms shared", "weight shared", "letters shared", "pairs shared", "same words"),
    *("same words in order", "same question word", "same opening", "same persons"),
    *("length ratio", "one for one", "ties differ", "ties missing", "out of order"),
)
MIRRORED = (
    *(("weight only ours", "weight only theirs"), ("rarest ours", "rarest theirs")),
    *(("words only ours", "words only theirs"), ("length ours", "length theirs")),
    ("share only ours", "share only theirs"),
)


def named(one: str, two: str) -> dict[str, float]:
    figures, _ = pair_figures(one, two, Rarity())
    return dict(zip(TRAINED, figures, strict=False))


def test_every_figure_has_one_name() -> None:
    assert len(set(TRAINED)) == len(TRAINED)
    assert set(VECTOR_NAMES) <= set(TRAINED)


@given(TEXTS, TEXTS)
def test_there_is_a_finite_figure_for_every_name_of_a_pair(one: str, two: str) -> None:
    figures, _ = pair_figures(one, two, Rarity())
    assert len(figures) == _PAIR_COUNT
    assert np.isfinite(figures).all()


@given(TEXTS, TEXTS)
def test_what_compares_two_texts_does_not_depend_on_their_order(one: str, two: str) -> None:
    there, back = named(one, two), named(two, one)
    for name in SYMMETRIC:
        assert there[name] == pytest.approx(back[name]), name
    for ours, theirs in MIRRORED:
        assert there[ours] == pytest.approx(back[theirs]), ours


@given(TEXTS)
def test_a_text_differs_in_nothing_from_itself(text: str) -> None:
    figures = named(text, text)
    assert figures["terms shared"] == figures["same words"] == 1
    assert figures["weight only ours"] == figures["ties differ"] == figures["length ratio"] == 0
    assert differences(text, text) == []


@given(TEXTS, TEXTS)
def test_differences_are_sorted_distinct_buckets_either_way(one: str, two: str) -> None:
    found = differences(one, two)
    assert found == sorted(set(found)) == differences(two, one)
    assert all(0 <= bucket < BUCKETS for bucket in found)


def test_one_word_for_another_is_more_than_two_words() -> None:
    swapped = differences("flights to Boston", "flights to Denver")
    assert len(swapped) == 3
    assert set(differences("flights to Boston", "flights to")) < set(swapped)


@given(SIMILARITIES, st.data())
def test_the_neighbors_figures_are_finite_and_named(
    similarities: np.ndarray[tuple[int], np.dtype[np.float64]], data: st.DataObject
) -> None:
    count = len(similarities)
    answers = data.draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    centers = [0.5] * min(8, count)
    rows = Neighborhood(similarities, answers, centers, 0.5, 16).figures(8)
    assert np.array(rows).shape == (min(8, count), _NEIGHBOR_COUNT)
    assert np.isfinite(rows).all()


def test_neighbors_that_agree_vote_for_their_answer() -> None:
    near = Neighborhood(np.array([0.9, 0.8, 0.7]), ["a", "b", "b"], [0.6, 0.5], 0.25, 4)
    first, second = (dict(zip(TRAINED[_PAIR_COUNT:], row, strict=True)) for row in near.figures(2))
    assert (first["similarity"], first["near center"], first["base rate"]) == (0.9, 0.6, 0.25)
    assert first["margin"] == pytest.approx(0.1)
    assert second["margin"] == pytest.approx(-0.1)
    assert (first["vote of all"], second["vote of all"]) == (1 / 4, 2 / 4)  # of 4 wanted
    assert second["below nearest"] == pytest.approx(-0.1)
    assert first["spread"] == pytest.approx(0.2)
    assert first["filled"] == 0.75
    # The nearer counts for more: 1 against exp(-2) + exp(-4) within 0.05.
    assert first["near vote"] == pytest.approx(1 / (1 + np.exp(-2) + np.exp(-4)))


@given(st.lists(TEXTS, max_size=20), TEXTS)
def test_every_word_of_a_text_is_counted(texts: list[str], text: str) -> None:
    rarity = Rarity()
    for earlier in texts:
        rarity.add(earlier)
    stems = profile(text).stems
    before = {stem: int(rarity.counts[_bucket(stem)]) for stem in stems}
    rarity.add(text)
    assert rarity.texts == len(texts) + 1
    assert all(int(rarity.counts[_bucket(stem)]) > count for stem, count in before.items())


def test_a_word_of_every_text_is_common_and_one_of_none_is_rare() -> None:
    rarity = Rarity()
    for number in range(100):
        rarity.add("return shoe" if number == 7 else "return")
    assert rarity.weight("return") == pytest.approx(0, abs=0.01)
    assert rarity.weight("never") == 1
    assert 0.7 < rarity.weight("sho") < 1  # the stem of "shoe"


def test_long_texts_are_read_in_part_and_not_kept() -> None:
    profiles._kept.cache_clear()
    long = "word " * 5_000
    assert profile(long) == profile(long[:8_192])
    assert profiles._kept.cache_info().currsize == 0


def test_readings_are_kept_within_a_bound() -> None:
    profiles._kept.cache_clear()
    assert profile("a short text") is profile("a short text")
    bound = profiles._kept.cache_info().maxsize
    assert bound is not None
    for number in range(bound + 10):
        profile(f"text {number}")
    assert profiles._kept.cache_info().currsize == bound
    profiles._kept.cache_clear()
