"""The bound and the times to live of vectors that are kept in a store."""

from __future__ import annotations

import pytest

from cache_fabric.indexes._expiring import ExpiringBlocks
from cache_fabric.testing._index_suite import direction, item_at
from cache_fabric.testing.indexes import DIMENSION


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr("cache_fabric.indexes._expiring.time.time", lambda: clock[0])
    return clock


def ids(blocks: ExpiringBlocks, partition: str | None = None) -> list[str]:
    return [near.id for near in blocks.search(partition, direction(0), 100)]


def test_a_vector_is_forgotten_at_its_time(now: list[float]) -> None:
    blocks = ExpiringBlocks(DIMENSION, 10)
    blocks.hold(item_at(0, "a"), 101.0)
    blocks.hold(item_at(1, "b"), None)
    assert ids(blocks) == ["a", "b"]
    now[0] = 101.0
    assert ids(blocks) == ["b"]


@pytest.mark.parametrize("later", [105.0, None])
def test_a_vector_that_was_put_again_has_its_new_time(
    now: list[float], later: float | None
) -> None:
    blocks = ExpiringBlocks(DIMENSION, 10)
    blocks.hold(item_at(0, "a"), 101.0)
    blocks.hold(item_at(0, "a"), later)
    now[0] = 104.0
    assert ids(blocks) == ["a"]
    now[0] = 106.0
    assert ids(blocks) == (["a"] if later is None else [])


def test_times_that_are_out_of_date_do_not_pile_up(now: list[float]) -> None:
    blocks = ExpiringBlocks(DIMENSION, 10)
    for number in range(10_000):
        blocks.hold(item_at(0, "a"), 200.0 + number)
    assert len(blocks._due) < 2_000


def test_the_partition_that_was_used_longest_ago_goes_first() -> None:
    blocks = ExpiringBlocks(DIMENSION, 4)
    for partition in "abc":
        assert blocks.hold(item_at(0, partition, partition), None)
    ids(blocks, "a")
    assert blocks.hold(item_at(1, "c2", "c"), None)
    assert not blocks.hold(item_at(2, "c3", "c"), None)
    assert sorted(ids(blocks)) == ["a", "c", "c2", "c3"]


def test_a_partition_that_is_too_large_alone_takes_no_more() -> None:
    blocks = ExpiringBlocks(DIMENSION, 2)
    held = [blocks.hold(item_at(n, f"{n}"), None) for n in range(3)]
    assert held == [True, True, False]
    assert ids(blocks) == ["0", "1"]


def test_partitions_that_are_gone_do_not_pile_up() -> None:
    blocks = ExpiringBlocks(DIMENSION, 10)
    for number in range(5_000):
        blocks.hold(item_at(0, "a", f"{number}"), None)
    assert blocks.count() == 1
    assert len(blocks._used) < 2_000
