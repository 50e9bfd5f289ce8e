"""The matcher's regression learns from each label and knows how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.matcher.logistic import Logistic, logit, moderated, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIGURES = st.floats(-5, 5, allow_nan=False)
ROWS = st.lists(FIGURES, min_size=3, max_size=3).map(np.array)
LESSONS = st.lists(st.tuples(ROWS, st.booleans(), st.floats(0.1, 10)), min_size=1, max_size=30)


def fresh(width: int = 3, variance: float = 0.5, buckets: int = 0) -> Logistic:
    return Logistic(
        np.zeros(width), np.eye(width) * variance, np.zeros(buckets), np.full(buckets, variance)
    )


def mean_of(model: Logistic, row: NDArray[np.float64], buckets: list[int] | None = None) -> float:
    means, _ = model.predict(row[np.newaxis], [buckets or []])
    return float(means[0])


@given(st.floats(1e-9, 1 - 1e-9))
def test_logit_is_the_inverse_of_sigmoid(p: float) -> None:
    assert sigmoid(logit(p)) == pytest.approx(p)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_sigmoid_is_a_probability_for_any_number(x: float) -> None:
    assert 0 < sigmoid(x) < 1


@given(st.floats(-10, 10), st.floats(0, 100))
def test_what_is_not_known_pulls_a_probability_towards_one_half(mean: float, v: float) -> None:
    assert abs(sigmoid(moderated(mean, v)) - 0.5) <= abs(sigmoid(mean) - 0.5)


def test_mean_and_variance_are_those_computed_by_hand() -> None:
    model = Logistic(
        np.array([1.0, -2.0]),
        np.array([[0.5, 0.1], [0.1, 0.25]]),
        np.array([0.0, 0.3, -0.7]),
        np.array([1.0, 0.2, 0.4]),
    )
    means, variances = model.predict(np.array([[2.0, 1.0], [0.0, 3.0]]), [[1, 2], []])
    # 2 - 2 + 0.3 - 0.7 and 4 * 0.5 + 2 * 2 * 0.1 + 0.25 + 0.2 + 0.4; -6 and 9 * 0.25
    assert means == pytest.approx([-0.4, -6.0])
    assert variances == pytest.approx([3.25, 2.25])


def test_a_label_moves_the_weights_as_computed_by_hand() -> None:
    model = fresh(1, variance=2.0)
    model.learn(np.array([1.0]), 1.0)
    # p = 1/2, curvature 1/4, shrink 1 + 2/4: weight 2 * (1/2) / 1.5, variance 2 - 4 * (1/4) / 1.5
    assert model.weights == pytest.approx([2 / 3])
    assert model.covariance == pytest.approx(np.array([[4 / 3]]))


@given(ROWS.filter(lambda row: float(row @ row) > 0.01), st.booleans(), LESSONS)
def test_learning_moves_towards_the_label(
    row: NDArray[np.float64],
    right: bool,
    before: list[tuple[NDArray[np.float64], bool, float]],
) -> None:
    model = fresh()
    for earlier, label, weight in before:
        model.learn(earlier, float(label), weight)
    expected = mean_of(model, row)
    model.learn(row, float(right))
    assert (mean_of(model, row) - expected) * (1 if right else -1) > 0


@given(LESSONS)
def test_the_covariance_stays_symmetric_and_positive(
    lessons: list[tuple[NDArray[np.float64], bool, float]],
) -> None:
    model = fresh()
    for row, label, weight in lessons:
        model.learn(row, float(label), weight)
    assert model.covariance == pytest.approx(model.covariance.T)
    assert np.linalg.eigvalsh(model.covariance).min() > 0


@given(LESSONS, ROWS)
def test_a_label_makes_it_surer_and_never_less_sure(
    lessons: list[tuple[NDArray[np.float64], bool, float]], other: NDArray[np.float64]
) -> None:
    model = fresh()
    _, before = model.predict(other[np.newaxis])
    for row, label, weight in lessons:
        model.learn(row, float(label), weight)
        _, after = model.predict(other[np.newaxis])
        assert after[0] <= before[0] + 1e-9
        before = after


@given(ROWS, st.integers(2, 6))
def test_a_label_of_weight_w_is_about_w_labels(row: NDArray[np.float64], count: int) -> None:
    one, many = fresh(variance=0.01), fresh(variance=0.01)
    one.learn(row, 1.0, float(count))
    for _ in range(count):
        many.learn(row, 1.0)
    assert mean_of(one, row) == pytest.approx(mean_of(many, row), rel=0.2, abs=0.05)
    assert one.covariance == pytest.approx(many.covariance, abs=0.002)


def test_a_sparse_weight_learns_for_its_own_bucket_only() -> None:
    model = fresh(1, buckets=4)
    nothing = np.array([0.0])
    for _ in range(20):
        model.learn(nothing, 0.0, buckets=[2])
    assert mean_of(model, nothing, [2]) < -1
    assert mean_of(model, nothing, [1]) == 0
    assert model.variances[2] < model.variances[1] == 0.5


@given(st.lists(st.booleans(), max_size=50))
def test_sparse_variances_stay_above_0(labels: list[bool]) -> None:
    model = fresh(1, buckets=2)
    for label in labels:
        model.learn(np.array([1.0]), float(label), 10.0, [0, 1])
    assert (model.variances > 0).all()


def test_it_finds_the_log_odds_that_the_labels_have() -> None:
    model = fresh(1, variance=10.0)
    for number in range(2_000):
        model.learn(np.array([1.0]), float(number % 5 != 0))
    assert mean_of(model, np.array([1.0])) == pytest.approx(math.log(4), abs=0.15)


def test_what_it_was_made_from_stays_as_it_was() -> None:
    weights, covariance = np.zeros(1), np.eye(1)
    Logistic(weights, covariance).learn(np.array([1.0]), 1.0)
    assert weights == 0
    assert covariance == 1


def test_a_label_moves_a_sparse_weight_as_computed_by_hand() -> None:
    model = Logistic(np.zeros(1), np.eye(1), np.zeros(2), np.full(2, 2.0))
    model.learn(np.array([0.0]), 1.0, buckets=[1])
    assert model.sparse == pytest.approx([0, 2 / 3])
    assert model.variances == pytest.approx([2, 4 / 3])
