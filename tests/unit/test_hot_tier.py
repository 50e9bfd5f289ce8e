"""Bounded, expiring, least recently used out first."""

from __future__ import annotations

from cache_fabric.hot_tier import HotTier


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_there_until_its_time() -> None:
    clock = Clock()
    tier = HotTier(10, 100, clock)
    tier.put("k", b"v", ttl=5)
    clock.now = 4.9
    assert tier.get("k") == b"v"
    clock.now = 5.0
    assert tier.get("k") is None
    assert len(tier) == 0


def test_the_least_recently_used_goes_first() -> None:
    tier = HotTier(2, 100)
    tier.put("a", b"1", 9)
    tier.put("b", b"2", 9)
    tier.get("a")
    tier.put("c", b"3", 9)
    assert tier.get("b") is None
    assert tier.get("a") == b"1"


def test_bytes_are_bounded_and_counted_over_replacements() -> None:
    tier = HotTier(10, 10)
    tier.put("a", b"12345", 9)
    tier.put("a", b"123", 9)
    assert tier.bytes == 3
    tier.put("b", b"12345678", 9)
    assert tier.get("a") is None
    assert tier.bytes == 8


def test_a_value_over_the_bound_is_not_kept() -> None:
    tier = HotTier(10, 10)
    tier.put("a", b"x" * 11, 9)
    assert tier.get("a") is None


def test_discard_and_clear_forget() -> None:
    tier = HotTier(10, 100)
    tier.put("a", b"1", 9)
    tier.put("b", b"2", 9)
    tier.discard(["a", "unknown"])
    assert tier.get("a") is None
    tier.clear()
    assert tier.get("b") is None
    assert tier.bytes == 0
