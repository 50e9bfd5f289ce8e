"""Adding up what several processes learned from one stored state."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_fabric.matcher.features import BUCKETS
from cache_fabric.matcher.logistic import moderated, sigmoid
from cache_fabric.policy import Verified
from cache_fabric.policy.audit import Audit
from cache_fabric.policy.family import Family
from cache_fabric.policy.state import Gaussian, Learned, learned, merged, resume

EMBEDDER = "any"
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(0, 40)


def fresh(*states: Learned) -> Family:
    family = Verified().new_state(EMBEDDER)
    assert isinstance(family, Family)
    for state in states:
        resume(family, state)
    return family


def rows_of(seed: int, count: int) -> tuple[Any, list[list[int]]]:
    """Features as the matcher makes them: standardised, with a bias, and a few hashed words."""
    draw = np.random.default_rng(seed)
    size = len(fresh().matcher.model.weights)
    rows = np.clip(draw.normal(size=(count, size)), -5, 5)
    rows[:, -1] = 1.0
    return rows, [draw.integers(0, BUCKETS, 6).tolist() for _ in range(count)]


def teach(family: Family, seed: int, count: int) -> Family:
    """Let a family see labels that follow one rule, whoever sees them."""
    draw = np.random.default_rng(seed)
    rows, hashed = rows_of(seed, count)
    for row, buckets in zip(rows, hashed, strict=True):
        right = bool(row[:8].sum() + draw.logistic() > 0)
        score = float(row[:8].sum())
        family.budget.requests += 1
        family.budget.see(float(draw.random()))
        family.budget.spend(0.01)
        family.matcher.model.learn(row, float(right), 0.8, buckets)
        family.matcher.see_rate(right)
        family.matcher.keep(f"word{draw.integers(9)}", row[:4], f"answer{draw.integers(5)}")
        family.audit.see(0.02, 0.02, bool(draw.random() > 0.02), 0.5)
        family.calibration.learn(score, right, 1.0)
    return family


def taught(base: Learned, seed: int, count: int) -> Learned:
    return learned(teach(fresh(base), seed, count))


def assert_close(
    one: Learned, other: Learned, tolerance: float = 1e-6, fading: float = 0.0
) -> None:
    """The same state; what fades may differ by ``fading``, by its order."""
    most = max(tolerance, fading)
    close = np.testing.assert_allclose
    close(one.dense.mean, other.dense.mean, atol=tolerance)
    close(one.dense.covariance, other.dense.covariance, atol=tolerance)
    close(one.calibration.mean, other.calibration.mean, atol=most)
    close(one.calibration.covariance, other.calibration.covariance, atol=most)
    for name in ("sparse", "variances", "rarity", "texts", "labels", "requests", "judged", "spent"):
        close(getattr(one, name), getattr(other, name), atol=tolerance)
    close(one.base_rate, other.base_rate, atol=most)
    assert sorted(one.recent) == sorted(other.recent)
    assert one.centers.keys() == other.centers.keys()
    for answer, center in one.centers.items():
        close(center, other.centers[answer], rtol=1e-4, atol=1e-4)
    for name in (f.name for f in fields(Audit)):
        allowed = most if name in ("stated", "found") else tolerance
        close(getattr(one.audit, name), getattr(other.audit, name), rtol=1e-6, atol=allowed)


@settings(max_examples=25)
@given(seeds, counts, seeds, counts)
def test_with_nothing_new_what_is_stored_stays(
    seed: int, count: int, other: int, more: int
) -> None:
    base = taught(learned(fresh()), seed, count)
    stored = taught(base, other, more)
    assert_close(merged(stored, base, base), stored)


@settings(max_examples=25)
@given(seeds, counts, seeds, counts)
def test_what_nobody_else_has_changed_becomes_mine(
    seed: int, count: int, other: int, more: int
) -> None:
    base = taught(learned(fresh()), seed, count)
    mine = taught(base, other, more)
    assert_close(merged(base, mine, base), mine)


@settings(max_examples=25)
@given(seeds, counts, seeds, counts)
def test_the_order_of_two_processes_does_not_matter(
    one: int, count: int, other: int, more: int
) -> None:
    base = taught(learned(fresh()), 7, 60)
    first, second = taught(base, one, count), taught(base, other, more)
    # The one that syncs last fades the other's labels: forty of them by up to 15 %.
    assert_close(merged(first, second, base), merged(second, first, base), fading=3.0)


def told(state: Learned, seed: int = 99) -> Any:
    """The probabilities that the matcher gives to a hundred unseen pairs."""
    means, variances = fresh(state).matcher.model.predict(*rows_of(seed, 100))
    return np.array([sigmoid(moderated(m, v)) for m, v in zip(means, variances, strict=True)])


@settings(max_examples=20)
@given(seeds, seeds)
def test_two_that_learned_apart_predict_like_one_that_saw_all(one: int, other: int) -> None:
    base = taught(learned(fresh()), 7, 100)
    apart = merged(taught(base, one, 50), taught(base, other, 50), base)
    together = taught(taught(base, one, 50), other, 50)
    off = np.abs(told(apart) - told(together)).mean()
    gained = np.abs(told(base) - told(together)).mean()
    assert off < 0.03
    assert off < gained / 2


@settings(max_examples=10)
@given(seeds, st.integers(0, 1500), st.integers(0, 1500))
def test_the_sum_is_a_state_that_can_be_used(seed: int, count: int, more: int) -> None:
    base = learned(fresh())
    total = merged(taught(base, seed, count), taught(base, seed + 1, more), base)
    np.linalg.cholesky(total.dense.covariance)
    np.linalg.cholesky(total.calibration.covariance)
    assert (total.variances > 0).all()
    assert 0.0 <= total.base_rate <= 1.0
    assert total.audit.stake >= 1.0
    assert min(total.audit.stated, total.audit.found) >= 0.0
    assert len(fresh(total).budget.recent) == min(1_000, count + more)


def test_the_doubt_of_one_process_is_not_outvoted() -> None:
    base = taught(learned(fresh()), 7, 500)
    doubting = fresh(base)
    doubting.audit.alarms += 1
    doubting.calibration.doubt()
    sure = taught(base, 8, 10)
    assert sure.audit.alarms == base.audit.alarms
    for total in (
        merged(sure, learned(doubting), base),
        merged(learned(doubting), sure, base),
    ):
        assert total.calibration.mean == pytest.approx(doubting.calibration.model.weights)
        assert total.audit.alarms == base.audit.alarms + 1


def test_a_sum_that_is_no_distribution_is_the_surer_of_both() -> None:
    base = taught(learned(fresh()), 7, 100)
    forgot = fresh(base)
    forgot.calibration.resume(np.array([0.0, 1.0]), np.diag([0.3, 0.05]), base.labels)
    unsure = learned(fresh())
    total = merged(unsure, learned(forgot), base)
    assert isinstance(total.calibration, Gaussian)
    assert (
        np.linalg.slogdet(total.calibration.covariance)[1]
        <= np.linalg.slogdet(unsure.calibration.covariance)[1]
    )
