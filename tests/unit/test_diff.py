"""The diff of two values."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric import context_view
from cache_fabric.context_view import diff_of

LINES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map("\n".join)


def applied(old: str, diff: str) -> list[str]:
    """Return the lines after a diff of one hunk."""
    if not diff:
        return old.splitlines()
    place, *lines = diff.splitlines()[2:]
    start, count = (int(number) for number in place.split()[1][1:].split(","))
    before = old.splitlines()
    gone = [line[1:] for line in lines if line[0] == "-"]
    assert before[start - 1 : start - 1 + count] == gone
    come = [line[1:] for line in lines if line[0] == "+"]
    return [*before[: start - 1], *come, *before[start - 1 + count :]]


@given(LINES, LINES)
def test_a_diff_of_long_texts_leads_from_one_to_the_other(old: str, new: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_view, "_MOST_COMPARED", -1)
        diff = diff_of(old, new, "a", "b")
    assert applied(old, diff) == new.splitlines()
    assert bool(diff) is (old.splitlines() != new.splitlines())


def test_long_texts_that_repeat_their_lines_take_no_minutes() -> None:
    count = 16_000
    old = "\n".join(str(number % 150) for number in range(count))
    new = "\n".join(str(number * 7 % 151) for number in range(count))
    begun = time.process_time()
    assert diff_of(old, new, "a", "b").startswith("--- a\n+++ b\n@@ -2,")
    assert time.process_time() - begun < 5
