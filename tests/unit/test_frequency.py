"""A bounded memory of how often keys were asked for, in which the old fades."""

from __future__ import annotations

from cache_fabric.frequency import FrequencySketch


def test_a_key_asked_for_more_often_counts_more() -> None:
    sketch = FrequencySketch()
    for _ in range(5):
        often = sketch.add("often", kept=1000)
    once = sketch.add("once", kept=1000)
    assert often > once


def test_old_requests_fade_next_to_new_ones() -> None:
    sketch = FrequencySketch()
    for _ in range(8):
        old = sketch.add("old", kept=10)
    for number in range(400):  # four half-lives of a cache of ten
        new = sketch.add(f"new {number}", kept=10)
    assert old < new


def test_the_order_survives_any_number_of_requests() -> None:
    sketch = FrequencySketch()
    for number in range(20_000):  # 2,000 half-lives of a cache of one: cells are scaled down often
        twice = sketch.add(f"twice {number}", kept=1)
        twice = sketch.add(f"twice {number}", kept=1)
        assert twice > sketch.add(f"once {number}", kept=1)


def test_the_memory_is_bounded_and_follows_what_is_kept() -> None:
    sketch = FrequencySketch()
    small = sketch.bytes
    for number in range(200):
        sketch.add(str(number), kept=10)
    assert sketch.bytes == small
    for number in range(200):
        sketch.add(str(number), kept=10**9)
    assert small < sketch.bytes <= 16 * 1024 * 1024


def test_growing_forgets_nothing() -> None:
    sketch = FrequencySketch()
    before = [sketch.add(key, kept=100) for key in "aaabbc"]
    after = {key: sketch.add(key, kept=100_000) for key in "abc"}
    assert after["a"] > after["b"] > after["c"] > before[-1]


def test_the_same_seed_counts_the_same() -> None:
    keys = [f"{number % 700}" for number in range(5000)]
    counts = []
    for seed in (1, 1, 2):
        sketch = FrequencySketch(seed)
        counts.append([sketch.add(key, kept=100) for key in keys])
    assert counts[0] == counts[1] != counts[2]
