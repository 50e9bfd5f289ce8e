"""Wilson's interval of a share that was seen so many times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.policy.intervals import share_interval


def test_it_is_that_of_the_literature() -> None:
    # Newcombe (1998), table I: 81 of 263 and 15 of 148.
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_nothing_seen_says_nothing() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_holds_the_share_and_mirrors(seen: tuple[int, int]) -> None:
    count, total = seen
    low, high = share_interval(count, total)
    assert 0.0 <= low <= count / total <= high <= 1.0
    assert share_interval(total - count, total) == pytest.approx((1 - high, 1 - low))
