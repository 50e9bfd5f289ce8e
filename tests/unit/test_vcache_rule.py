"""The published vCache rule against values worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.bench.quality.vcache import Curve, Verdicts, exploration, fit

# One in four right at .2 and three in four at .8: the likelihood is highest where the curve goes
# through both, so its logit is -ln 3 at .2 and ln 3 at .8.
TWO_PLACES = [0.2] * 4 + [0.8] * 4
ONE_AND_THREE = [True, False, False, False, True, True, True, False]


def test_the_fit_goes_through_two_places() -> None:
    curve = fit(TWO_PLACES, ONE_AND_THREE)
    assert curve.slope == pytest.approx(2 * math.log(3) / 0.6, rel=1e-5)
    assert curve.middle == pytest.approx(0.5, abs=1e-6)
    assert curve.right(0.8) == pytest.approx(0.75, abs=1e-5)


def test_the_variance_of_the_middle_is_that_of_the_delta_method() -> None:
    # w = .25 * .75 = .1875; H = [[1.5, .75], [.75, .51]], its determinant .2025; g = 3.6620,
    # b0 = -1.8310; q = (-1/g, b0/g^2) = (-.27307, -.13654);
    # q' H^-1 q = (.074567 * .51 - 2 * .037285 * .75 + .018643 * 1.5) / .2025
    assert fit(TWO_PLACES, ONE_AND_THREE).variance == pytest.approx(0.04971, abs=2e-5)


def test_separable_verdicts_have_their_middle_in_the_gap_and_a_variance_by_count() -> None:
    curve = fit([0.0, 0.5, 0.6, 0.8, 0.9, 1.0], [False, False, False, True, True, True])
    assert 0.6 < curve.middle < 0.8
    assert curve.variance == pytest.approx(0.2 / 6)
    assert curve.right(0.9) > 0.999


def test_a_curve_that_falls_is_held_flat() -> None:
    curve = fit([0.0, 0.1, 0.2, 0.8, 0.9, 1.0], [True, True, True, False, False, False])
    assert curve.slope == 1e-6
    assert curve.middle in (0.0, 1.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 1000).map(lambda n: n / 1000), st.booleans()),
        min_size=4,
        max_size=60,
    )
)
def test_the_fit_ends_where_the_likelihood_is_flat(points: list[tuple[float, bool]]) -> None:
    similarities = [0.0, 1.0] + [similarity for similarity, _ in points]
    rights = [False, True] + [right for _, right in points]
    curve = fit(similarities, rights)
    assert 0 <= curve.middle <= 1
    assert curve.variance >= 0
    assert math.isfinite(curve.slope)
    if curve.slope > 1e-6 and 0 < curve.middle < 1:
        gap = [y - curve.right(s) for s, y in zip(similarities, rights, strict=True)]
        assert abs(sum(gap)) <= 1e-3 * len(gap)
        products = (g * s for g, s in zip(gap, similarities, strict=True))
        assert abs(sum(products)) <= 1e-3 * len(gap)


def test_an_even_chance_is_explored_nearly_always() -> None:
    # Without variance t'(e) = t, so a(e) = (1-e)/2 at s = t; the largest is .999 / 2 at e = .001.
    certain = Curve(slope=50.0, middle=0.8, variance=0.0)
    assert exploration(certain, 0.8, 0.02) == pytest.approx(1 - 0.02 / (1 - 0.4995))


def test_a_sure_hit_is_never_explored_again() -> None:
    certain = Curve(slope=1000.0, middle=0.5, variance=0.0)
    assert exploration(certain, 0.9, 0.01) == pytest.approx(1 - 0.01 / 0.001)
    assert exploration(certain, 0.9, 0.01) <= 0


def test_doubt_about_the_middle_and_a_smaller_budget_explore_more() -> None:
    sure, unsure = (Curve(40.0, 0.7, variance) for variance in (0.0001, 0.02))
    assert exploration(sure, 0.9, 0.02) < exploration(unsure, 0.9, 0.02)
    assert exploration(unsure, 0.9, 0.02) < exploration(unsure, 0.9, 0.01)


def test_an_entry_with_fewer_than_four_verdicts_has_no_curve() -> None:
    verdicts = Verdicts()
    for right in (True, False, True):
        verdicts.add(0.91, right)
    assert verdicts.curve() is None
    verdicts.add(0.9104, True)
    assert verdicts.similarities[-1] == 0.91
    assert verdicts.curve() is not None
