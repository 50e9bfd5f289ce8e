"""Caches of the quality benchmark that work on similarities alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.bench.quality.simulated import (
    Insertion,
    Simulated,
    StaticThreshold,
    VCache,
    judge,
    replay,
)
from cache_fabric.bench.quality.streams import Stream
from cache_fabric.bench.quality.vectors import earlier


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def stream(*classes: str) -> Stream:
    rows = [{"i": i, "text": f"text {i}", "class": c, "rep": 0} for i, c in enumerate(classes)]
    return Stream.of("test", rows)


@given(st.lists(st.tuples(st.integers(0, 359), st.sampled_from("ab")), min_size=1, max_size=600))
def test_a_row_sees_what_came_before_it_in_its_scope(rows: list[tuple[int, str]]) -> None:
    vectors, scopes = unit(*(degrees for degrees, _ in rows)), [scope for _, scope in rows]
    for row, similarities in earlier(vectors, scopes):
        assert len(similarities) == row
        expected = vectors[:row] @ vectors[row]
        for at in range(row):
            want = expected[at] if scopes[at] == scopes[row] else -1.0
            assert similarities[at] == pytest.approx(want, abs=1e-5)
        if row > 40:
            break


def test_a_static_threshold_serves_the_nearest_and_keeps_every_miss() -> None:
    cache = StaticThreshold(0.99, 5)
    (decisions,) = replay([cache], unit(0, 40, 2, 41, 90), [None] * 5)
    assert [(d["hit"], d.get("src")) for d in decisions] == [
        (0, None),
        (0, None),
        (1, 0),
        (1, 1),
        (0, None),
    ]


def test_a_static_threshold_serves_an_exact_repeat_at_any_threshold() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    twice = np.concatenate([vectors, vectors])
    (decisions,) = replay([StaticThreshold(1.0, 100)], twice, [None] * 100)
    assert [d["hit"] for d in decisions] == [0] * 50 + [1] * 50


def test_scopes_share_nothing() -> None:
    given_stream = stream("x", "x")
    same = unit(0, 0)
    caches: list[Simulated] = [
        StaticThreshold(0.8, 2),
        VCache(given_stream, 0.02, "judged different", judge(0, 1), 1),
    ]
    for decisions in replay(caches, same, ["one", "two"]):
        assert [d["hit"] for d in decisions] == [0, 0]


@pytest.mark.parametrize(
    ("insertion", "held"), [("judged different", [0, 3]), ("every request", [0, 1, 2, 3])]
)
def test_what_vcache_inserts(insertion: Insertion, held: list[int]) -> None:
    cache = VCache(stream("x", "x", "x", "y"), 0.02, insertion, judge(0, 1), 1)
    replay([cache], unit(0, 1, 2, 3), [None] * 4)
    assert list(cache._source) == held


def test_vcache_serves_once_an_entry_has_proved_itself() -> None:
    repeats = 400
    given_stream = stream(*["x"] * repeats)
    cache = VCache(given_stream, 0.05, "judged different", judge(0, 1), 1)
    (decisions,) = replay([cache], unit(*[0.0] * repeats), [None] * repeats)
    assert [d["hit"] for d in decisions[:5]] == [0] * 5
    assert sum(d["hit"] for d in decisions) > repeats / 4
    assert all(d["src"] == 0 and 0.9 < d["p"] <= 1 for d in decisions if d["hit"])


def test_a_served_answer_keeps_its_source_when_every_request_is_inserted() -> None:
    repeats = 400
    cache = VCache(stream(*["x"] * repeats), 0.05, "every request", judge(0, 1), 1)
    (decisions,) = replay([cache], unit(*[0.0] * repeats), [None] * repeats)
    explored = {d["i"] for d in decisions if not d["hit"]}
    assert {d["src"] for d in decisions if d["hit"]} <= explored


def test_flipped_verdicts_are_wrong_at_their_rate_and_repeatable() -> None:
    noisy, again, clean = judge(0.2, 7), judge(0.2, 7), judge(0.0, 7)
    verdicts = [noisy("a", "a") for _ in range(2000)]
    assert verdicts == [again("a", "a") for _ in range(2000)]
    assert 0.15 < verdicts.count(False) / 2000 < 0.25
    assert clean("a", "a")
    assert not clean("a", "b")
