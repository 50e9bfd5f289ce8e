"""Numbers as tokens: what the index calls sure is within bounds, and nothing within is missed."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from cache_fabric.stores._sqlite_tokens import number_tokens, within

NUMBERS = st.floats(allow_nan=False) | st.integers(-1000, 1000).map(lambda n: n / 8)
BOUNDS = st.none() | NUMBERS


def is_within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


@given(NUMBERS, BOUNDS, BOUNDS)
@example(0.0, -0.0, -0.0)
@example(-0.0, 0.0, 0.0)
@example(math.inf, None, None)
@example(-math.inf, None, math.inf)
@example(1.0, 1.0, math.nextafter(1.0, 2.0))
def test_tokens_of_a_range_find_the_numbers_within(
    value: float, least: float | None, most: float | None
) -> None:
    of_value = set(number_tokens(1, b"cost", value))
    sure, unsure = within(1, b"cost", least, most)
    if is_within(value, least, most):
        assert of_value & {*sure, *unsure}
    else:
        assert not of_value & set(sure)
    # Of each length at most 15 before and 15 behind, and the two at the ends.
    assert len(sure) + len(unsure) <= 5 * 30 + 2


@given(NUMBERS, st.floats(allow_nan=False, min_value=1e-9, max_value=1e9))
def test_a_range_leaves_little_to_be_looked_at(value: float, most: float) -> None:
    of_value = set(number_tokens(1, b"cost", value))
    sure, unsure = within(1, b"cost", None, most)
    assert not of_value & set(unsure) or 0.995 * most <= value <= 1.005 * most
    assert bool(of_value & set(sure)) <= (value <= most)


@given(NUMBERS)
def test_numbers_of_other_names_and_kinds_are_not_found(value: float) -> None:
    sure, unsure = within(1, b"cost", None, None)
    assert not set(number_tokens(2, b"cost", value)) & {*sure, *unsure}
    assert not set(number_tokens(1, b"time", value)) & {*sure, *unsure}


def test_no_number_is_beyond_a_bound_that_is_none() -> None:
    assert within(1, b"cost", math.nan, None) == ([], [])
    assert within(1, b"cost", 2.0, 1.0) == ([], [])
    assert list(number_tokens(1, b"cost", math.nan)) == []
