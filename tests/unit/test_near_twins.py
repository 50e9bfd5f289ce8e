"""A question goes with the nearer of the one that was answered wrongly and the one it came from."""

from __future__ import annotations

import math

import numpy as np

from cache_fabric.near_twins import NearTwins, Twin, forbidden, packed
from cache_fabric.verdict_rules import Negative


def at(degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    return np.array([math.cos(angle), math.sin(angle)], np.float32)


ASKED, SERVED = at(0), at(20)
PAIR = NearTwins([Twin("s", Negative(asked="q", vector=packed(ASKED), served=packed(SERVED)))])
ALONE = NearTwins([Twin("s", Negative(asked="q", vector=packed(ASKED)))])


def refused(question: np.ndarray, key: str, candidate: np.ndarray, pairs: NearTwins = PAIR) -> bool:
    similarity = float(question @ candidate)
    return forbidden(pairs.near(question, similarity), key, similarity, candidate)


def test_the_question_and_its_near_twins_are_refused_the_answer() -> None:
    assert refused(ASKED, "s", SERVED)
    assert refused(at(5), "s", SERVED)
    assert refused(at(-15), "s", SERVED)


def test_a_question_that_is_nearer_to_the_served_one_is_not() -> None:
    assert not refused(at(15), "s", SERVED)
    assert not refused(at(30), "s", SERVED)


def test_another_wording_of_the_served_question_shares_its_fate() -> None:
    assert refused(at(3), "another", at(22))
    assert not refused(at(3), "another", at(22), ALONE)


def test_an_answer_to_the_question_itself_or_to_its_wordings_is_served() -> None:
    assert not refused(at(3), "q", ASKED)
    assert not refused(at(3), "another", at(1))
    assert not refused(at(3), "another", at(-4))


def test_vectors_of_another_size_are_never_compared() -> None:
    other = np.ones(3, np.float32) / math.sqrt(3)
    assert PAIR.near(other, -1.0) == []
