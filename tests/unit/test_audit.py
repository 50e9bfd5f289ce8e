"""The audit: what a sample shows of hits that nobody checked."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.policy.audit import Audit, Estimate

LABELS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.sampled_from([0, 0.02, 0.5, 1])),
    max_size=60,
)


def simulated(stated: float, true: float, labels: int, seed: int) -> Audit:
    audit, draws = Audit(), random.Random(seed)
    for _ in range(labels):
        audit.see(stated, min(1.0, stated * audit.factor), draws.random() >= true, 0.02)
    return audit


def test_the_interval_is_wilsons_as_computed_by_hand() -> None:
    # 3 wrong of 50, z = 1.96: center 0.0914, half width 0.0702.
    estimate = Estimate.of(50, 50.0, 50.0, 3.0)
    assert estimate.share == pytest.approx(0.06)
    assert (estimate.low, estimate.high) == pytest.approx((0.0206, 0.1622), abs=5e-4)


def test_a_sampled_label_stands_for_as_many_hits_as_its_chance_says() -> None:
    audit = Audit()
    audit.see(0.1, 0.1, False, 0.5)  # stands for 2
    audit.see(0.1, 0.1, True, 0.1)  # stands for 10
    estimate = audit.estimate()
    assert estimate.asked == 2
    assert estimate.share == pytest.approx(2 / 12)
    # 144 / 104 labels of equal weight would tell as much.
    assert estimate == Estimate.of(2, 12.0, 104.0, 2.0)
    assert estimate.high > Estimate.of(2, 2.0, 2.0, 2 * 2 / 12).high


def test_an_estimate_without_a_label_is_none() -> None:
    assert Audit().estimate() == Estimate(None, 0.0, 1.0, 0)


def test_what_was_not_sampled_is_no_part_of_the_estimate() -> None:
    audit = Audit()
    audit.see(0.1, 0.1, False, 0.0)
    assert audit.estimate().asked == 0
    assert audit.found == 1  # but it corrects the risks


@given(LABELS)
def test_the_estimate_is_within_its_interval_and_the_interval_within_0_and_1(
    labels: list[tuple[float, float, bool, float]],
) -> None:
    audit = Audit()
    for stated, risk, right, chance in labels:
        audit.see(stated, risk, right, chance)
    found = audit.estimate()
    assert 0 <= found.low <= (found.low if found.share is None else found.share + 1e-9)
    assert (found.high if found.share is None else found.share - 1e-9) <= found.high <= 1


@given(LABELS)
def test_the_factor_only_ever_makes_a_risk_larger_and_within_bounds(
    labels: list[tuple[float, float, bool, float]],
) -> None:
    audit = Audit()
    for stated, risk, right, chance in labels:
        audit.see(stated, risk, right, chance)
        assert 1 <= audit.factor <= 4


def test_the_factor_is_as_computed_by_hand() -> None:
    audit = Audit(stated=2.0, found=8.0)
    assert audit.factor == pytest.approx((8 + 4) / (2 + 4))


def test_risks_that_are_too_low_are_found_and_corrected() -> None:
    factors = [simulated(0.05, 0.15, 400, seed).factor for seed in range(20)]
    assert sum(factors) / 20 == pytest.approx(2.2, abs=0.5)
    assert min(factors) > 1.2


def test_drift_raises_the_alarm() -> None:
    audits = [simulated(0.03, 0.5, 40, seed) for seed in range(100)]
    assert all(audit.alarms for audit in audits)


def test_honest_risks_raise_no_alarm_in_19_of_20_runs_of_a_hundred_labels() -> None:
    """A hundred labels are 5,000 hits at a share of 2 % that is asked anew."""
    alarmed = sum(bool(simulated(0.03, 0.03, 100, seed).alarms) for seed in range(400))
    assert alarmed <= 400 / 20


def test_risks_on_the_safe_side_raise_none_for_long() -> None:
    assert not sum(simulated(0.05, 0.01, 1_000, seed).alarms for seed in range(40))


def test_after_an_alarm_the_bet_starts_anew() -> None:
    audit = Audit()
    told = [audit.see(0.01, 0.01, False, 1.0) for _ in range(10)]
    assert told == [False, False, False, False, True] * 2  # 1.99 ** 5 is the first over 20
    assert audit.alarms == 2


def test_good_luck_of_long_ago_does_not_delay_the_alarm() -> None:
    audit = Audit()
    for _ in range(100):
        audit.see(0.5, 0.5, True, 1.0)
    assert [audit.see(0.01, 0.01, False, 1.0) for _ in range(5)][-1]
