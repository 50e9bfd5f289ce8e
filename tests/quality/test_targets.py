"""The promise beside each row: what is short, and by how much."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.bench.quality.targets import shortfalls

KEPT = {
    "hit_rate": 0.55,
    "error_rate": 0.009,
    "max_running_error_after_1000": 0.012,
    "wrong_hit_share": 0.02,
    "exact_recall": 0.995,
}


def short(delta: float = 0.01, stream: str = "cls_clinc150_once", **more: Any) -> list[str]:
    figures = {name: more.pop(name, value) for name, value in KEPT.items()}
    return shortfalls(stream, delta, figures, **more)


def test_a_row_that_keeps_everything_is_short_of_nothing() -> None:
    assert short() == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hit_rate", 0.40, "hits short by 10.0"),
        ("error_rate", 0.0111, "error over by 0.11"),
        ("max_running_error_after_1000", 0.0135, "worst over by 0.10"),
        ("wrong_hit_share", 0.07, "wrong share over by 2.00"),
        ("exact_recall", 0.98, "exact short by 1.0"),
    ],
)
def test_what_is_short_says_by_how_much(name: str, value: float, message: str) -> None:
    changed: dict[str, Any] = {name: value}
    assert short(**changed) == [message]


def test_the_wrong_share_is_promised_at_one_percent_only() -> None:
    assert short(0.03, wrong_hit_share=0.07) == []


def test_a_stream_that_nobody_promised_anything_of_has_no_hits_to_reach() -> None:
    assert short(stream="mine", hit_rate=0.0) == []
    assert short(stream="mine", exact_recall=None) == []


def test_twice_the_hits_of_vcache_but_no_fewer_where_there_are_three_labels() -> None:
    assert short(vcache_hits=0.30) == ["2 x vCache short by 5.0"]
    assert short(stream="mod_tweets_once", vcache_hits=0.30) == []
    assert short(stream="mod_tweets_once", vcache_hits=0.56) == ["1 x vCache short by 1.0"]


def test_under_noise_the_budget_is_wider_and_hits_are_held_against_the_clean_run() -> None:
    assert short(flip=0.2, error_rate=0.014, clean_hits=0.9) == []
    assert short(flip=0.2, error_rate=0.016) == ["error over by 0.10"]
    assert short(flip=0.2, clean_hits=1.0) == ["hits short by 5.0"]
