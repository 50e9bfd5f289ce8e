"""Labelled pairs: halves that share no text, and what is let through at a recall."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.bench.quality.pairs import (
    SCORERS,
    Pair,
    PairScorer,
    halves,
    run_pairs,
    score_at_recall,
)
from cache_fabric.bench.quality.streams import find_pairs, find_scorer
from evaluation import DATA, needs_data, write_data


def pair(number: int, a: str, b: str, same: int, category: str = "paraphrase") -> Pair:
    return {
        "id": f"p{number}",
        "text_a": a,
        "text_b": b,
        "same_answer": same,
        "category": category,
        "source": "test",
    }


TEXTS = st.integers(0, 30).map(lambda n: f"question {n}")


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=40))
def test_no_text_is_in_both_halves(texts: list[tuple[str, str]]) -> None:
    pairs = [pair(n, a, b, 0) for n, (a, b) in enumerate(texts)]
    sides = [
        {text for each in half for text in (each["text_a"], each["text_b"])}
        for half in halves(pairs)
    ]
    assert not sides[0] & sides[1]
    assert sum(map(len, halves(pairs))) == len(pairs)


@given(st.permutations(range(8)))
def test_the_split_does_not_depend_on_the_order(order: list[int]) -> None:
    pairs = [pair(n, f"text {n}", f"text {n // 2}", 0) for n in range(8)]
    first = {each["id"] for each in halves(pairs)[0]}
    assert {each["id"] for each in halves([pairs[n] for n in order])[0]} == first


def test_the_score_at_a_recall_counts_positives_that_count() -> None:
    pairs = [pair(n, "a", "b", 1) for n in range(5)]
    pairs += [{**pair(5, "a", "b", 1), "optional": 1}, pair(6, "a", "b", 0)]
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.99, 0.95]
    assert score_at_recall(pairs, scores, 0.4) == 0.8
    assert score_at_recall(pairs, scores, 1.0) == 0.5
    assert score_at_recall(pairs[6:], scores[6:], 0.4) == math.inf


def test_a_scorer_is_trained_on_the_half_that_is_not_scored(tmp_path: Path) -> None:
    pairs = [pair(n, f"a {n}", f"b {n}", n % 2, "negation") for n in range(40)]
    folder = write_data(tmp_path / "data", {}, pairs)
    learned: list[set[str]] = []
    asked: list[set[str]] = [set()]

    def train(known: object, texts: object) -> PairScorer:
        learned.append({each["text_a"] for each in known})  # type: ignore[attr-defined]
        asked.append(set())

        def score(question: str, candidate: str) -> float:
            asked[-1].add(candidate)
            return float(int(candidate.split()[1]) % 2)

        return score

    scorer = find_scorer(folder)
    results = run_pairs(list(scorer.rows(find_pairs(folder))), scorer, {"mine": train})
    assert [result.half for result in results] == [0, 1]
    for known, tested in zip(learned, asked[1:], strict=True):
        assert known
        assert tested
        assert not known & tested
    assert [result.false_hits for result in results] == [{"negation": 0.0}] * 2
    assert results[0].short == ["roc_auc short by 0.180"]


@needs_data
def test_the_guard_lets_fewer_traps_through_than_the_bare_embedding() -> None:
    scorer = find_scorer(DATA)
    pairs = [p for p in scorer.rows(find_pairs(DATA)) if p["source"] == "dbqa"]
    found = {(r.scorer, r.half): r.figures["pr_auc"] for r in run_pairs(pairs, scorer, SCORERS)}
    for half in (0, 1):
        assert found["guard, then cosine", half] > found["cosine", half]


@pytest.mark.parametrize("missing", ["score.py", "open/pairs.jsonl.gz"])
def test_a_folder_that_lacks_a_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_data(tmp_path / "data", {}, [pair(0, "a", "b", 1)])
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=str(folder)):
        find_pairs(folder), find_scorer(folder)
