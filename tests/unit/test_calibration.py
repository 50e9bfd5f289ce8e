"""Calibration follows what the matcher's scores have meant, and keeps its doubts."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.matcher.logistic import sigmoid
from cache_fabric.policy.calibration import Calibration

PRIOR = (0.3, 0.05)
LESSONS = st.lists(st.tuples(st.floats(-8, 8), st.booleans(), st.floats(0.1, 10)), max_size=40)


@given(st.floats(-30, 30))
def test_the_risk_is_on_the_safe_side_of_what_the_score_says(score: float) -> None:
    probability, risk = Calibration().judge(score)
    assert 0 < probability < 1
    assert risk >= 1 - sigmoid(score)


def test_it_starts_from_the_score_as_it_is() -> None:
    probability, _ = Calibration().judge(0.0)
    assert probability == 0.5
    assert Calibration().model.weights == pytest.approx([0, 1])


@given(LESSONS)
def test_a_higher_score_never_means_a_lower_probability(
    lessons: list[tuple[float, bool, float]],
) -> None:
    calibration = Calibration()
    for lesson in lessons:
        calibration.learn(*lesson)
    means, _ = calibration.model.predict(np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]))
    assert means[0] < means[1] < means[2]


@given(LESSONS)
def test_the_slope_stays_within_its_bounds(lessons: list[tuple[float, bool, float]]) -> None:
    calibration = Calibration()
    for lesson in lessons:
        calibration.learn(*lesson)
        assert 0.3 <= calibration.model.weights[1] <= 2.0


@given(LESSONS)
def test_it_is_never_less_sure_than_at_first_and_always_a_covariance(
    lessons: list[tuple[float, bool, float]],
) -> None:
    calibration = Calibration()
    for lesson in lessons:
        calibration.learn(*lesson)
        known = calibration.model.covariance
        assert (np.diag(known) <= np.array(PRIOR) + 1e-12).all()
        assert known == pytest.approx(known.T)
        assert np.linalg.eigvalsh(known).min() > 0


def test_a_score_that_promises_too_much_is_learned_to_mean_less() -> None:
    calibration, draws = Calibration(), random.Random(1)
    for _ in range(2_000):
        score = draws.uniform(0, 5)
        calibration.learn(score, draws.random() < sigmoid(0.5 * score), 1.0)
    for score in (1.0, 3.0, 5.0):
        probability, risk = calibration.judge(score)
        assert probability == pytest.approx(sigmoid(0.5 * score), abs=0.05)
        assert risk < 1 - sigmoid(0.5 * score) + 0.08


def test_it_forgets_so_that_it_follows_a_change() -> None:
    calibration = Calibration()
    for _ in range(500):
        calibration.learn(3.0, True, 1.0)
    trusted, _ = calibration.judge(3.0)
    for _ in range(100):
        calibration.learn(3.0, False, 1.0)
    doubted, _ = calibration.judge(3.0)
    assert trusted > 0.95
    assert doubted < 0.5


def test_doubt_expects_less_and_is_as_unsure_as_at_first() -> None:
    calibration = Calibration()
    for _ in range(200):
        calibration.learn(3.0, True, 1.0)
    before, risk = calibration.judge(3.0)
    calibration.doubt()
    assert calibration.model.covariance == pytest.approx(np.diag(PRIOR))
    after, doubted = calibration.judge(3.0)
    assert after < before
    assert doubted > risk
    for _ in range(300):  # and it recovers
        calibration.learn(3.0, True, 1.0)
    assert calibration.judge(3.0)[1] < doubted


def test_however_many_labels_it_never_gets_so_sure_that_it_stops_learning() -> None:
    calibration = Calibration()
    for number in range(5_000):
        calibration.learn(0.0, number % 2 == 0, 1.0)
    assert calibration.model.covariance[0, 0] > 0.002  # 1 / (0.25 * 5000) would be 0.0008
