"""When a label guard fires."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.guard_rules import crossed, is_armed, sample
from cache_fabric.records import Feedback
from cache_fabric.version_records import LabelGuard, LabelReturn

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def guard(metric: str = "score", fired: tuple[int, int | None] | None = None) -> LabelGuard:
    returned = None
    if fired is not None:
        returned = LabelReturn(
            at=NOW, from_version=fired[0], to_version=fired[1], why="", moved=True
        )
    return LabelGuard(
        key="k",
        label="production",
        tenant=None,
        metric=metric,
        window=60.0,
        minimum=3,
        bound=0.7,
        dry_run=False,
        since=NOW,
        fired=returned,
    )


@pytest.mark.parametrize(
    ("fired", "armed"),
    [
        (None, {1, 2, 3}),
        ((2, 1), {3}),
        ((2, None), {1, 3}),
    ],
)
def test_it_rests_for_the_versions_that_it_moved_between(
    fired: tuple[int, int | None] | None, armed: set[int]
) -> None:
    assert {version for version in (1, 2, 3) if is_armed(guard(fired=fired), version)} == armed


@given(st.lists(st.floats(0, 1)))
def test_it_fires_below_the_bound_with_enough_samples(samples: list[float]) -> None:
    figure = crossed(guard(), samples)
    if figure is None:
        assert len(samples) < 3 or sum(samples) / len(samples) >= 0.7 - 1e-9
    else:
        assert len(samples) >= 3
        assert figure == pytest.approx(sum(samples) / len(samples))
        assert figure < 0.7


def test_the_bound_itself_is_good_enough() -> None:
    assert crossed(guard(), [0.7, 0.7, 0.7]) is None


def test_what_counts_depends_on_the_metric() -> None:
    def said(**fields: object) -> Feedback:
        return Feedback(execution_id="x", data={}, timestamp=NOW, id="f", **fields)  # type: ignore[arg-type]

    both = said(verdict="good", score=0.2)
    assert (sample(guard("score"), both), sample(guard("good"), both)) == (0.2, 1.0)
    nothing = said()
    assert (sample(guard("score"), nothing), sample(guard("good"), nothing)) == (None, None)
    assert sample(guard("good"), said(verdict="bad")) == 0.0
    assert sample(guard("good"), said(verdict="bad", trusted=False)) is None
