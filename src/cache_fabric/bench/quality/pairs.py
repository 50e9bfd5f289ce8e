"""Labelled pairs: how well a score tells the same answer from another, and which traps it takes.

A scorer is trained on one half and scored on the other, both ways. Pairs that share a text, over
any number of steps, are in the same half, so nothing tested was ever seen.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cache_fabric.bench.quality.streams import Scorer
from cache_fabric.bench.quality.vectors import embed_stream
from cache_fabric.guard import compare

__all__ = ["SCORERS", "Pair", "PairResult", "PairScorer", "Training", "halves", "run_pairs"]

Pair = Mapping[str, Any]
PairScorer = Callable[[str, str], float]
"""``(question, candidate's question) -> score``; any scale, higher for the same answer."""
Training = Callable[[Sequence[Pair], Sequence[str]], PairScorer]
"""``(pairs to learn from, every text that will be asked) -> scorer``. The texts carry no label:
they are there to be embedded at once."""

RECALL = 0.4
GROUPS = {  # the kinds of trap that the product promises something of
    "number": ("number_swap", "math_change"),
    "negation": ("negation", "antonym"),
    "date": ("date_swap",),
    "comparator": ("temporal",),
    "entity": ("entity_swap", "location_swap"),
    "word order": ("role_order",),
}
TARGETS = {"roc_auc": 0.88, "pr_auc": 0.80}
MOST_FALSE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """One scorer on the half that it has not learned from.

    Attributes:
        half: Which half was scored, 0 or 1.
        figures: What ``score.py`` says; its hits are those at 40 % recall.
        false_hits: Share of each kind of trap that is let through at 40 % recall.
        short: What is short of the promise.
    """

    scorer: str
    half: int
    figures: dict[str, Any]
    false_hits: dict[str, float]
    short: list[str]


def run_pairs(
    pairs: Sequence[Pair],
    scorer: Scorer,
    trainings: Mapping[str, Training],
    done: Callable[[int], None] = lambda _: None,
) -> list[PairResult]:
    """Return two results a scorer, one a half; ``done`` hears of pairs."""
    texts = list(dict.fromkeys(text for pair in pairs for text in _sides(pair)))
    first, second = halves(pairs)
    results = []
    for name, train in trainings.items():
        for half, (tested, learned) in enumerate(((first, second), (second, first))):
            score = train(learned, texts)
            scores = []
            for pair in tested:
                scores.append(float(score(*_sides(pair))))
                done(1)
            results.append(_result(name, half, tested, scores, scorer))
    return results


def halves(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Split pairs so that no text, nor one tied to it by pairs, is in both halves.

    A connected group goes by the checksum of its first text in alphabetical order.
    """
    head: dict[str, str] = {}

    def find(text: str) -> str:
        while head.setdefault(text, text) != text:
            head[text] = text = head[head[text]]
        return text

    for pair in pairs:
        left, right = sorted((find(pair["text_a"]), find(pair["text_b"])))
        head[right] = left
    split: tuple[list[Pair], list[Pair]] = ([], [])
    for pair in pairs:
        split[zlib.crc32(find(pair["text_a"]).encode()) % 2].append(pair)
    return split


def _sides(pair: Pair) -> tuple[str, str]:
    """The cached question is the first text, the new one the second."""
    return pair["text_b"], pair["text_a"]


def _result(
    name: str, half: int, tested: Sequence[Pair], scores: Sequence[float], scorer: Scorer
) -> PairResult:
    least = score_at_recall(tested, scores, RECALL)
    rows = [
        {"id": pair["id"], "score": score, "hit": int(score >= least)}
        for pair, score in zip(tested, scores, strict=True)
    ]
    figures = scorer.pairs(tested, rows)
    false_hits = {
        group: share
        for group, kinds in GROUPS.items()
        if (share := _share(figures["false_hit_rate"], kinds)) is not None
    }
    return PairResult(
        scorer=name,
        half=half,
        figures=figures,
        false_hits=false_hits,
        short=_short(figures, false_hits),
    )


def score_at_recall(pairs: Sequence[Pair], scores: Sequence[float], recall: float) -> float:
    """Return the highest score at which this share of the positives that count is served."""
    positives = sorted(
        (
            score
            for pair, score in zip(pairs, scores, strict=True)
            if pair["same_answer"] and not pair.get("optional")
        ),
        reverse=True,
    )
    return positives[max(0, math.ceil(recall * len(positives)) - 1)] if positives else math.inf


def _share(rates: Mapping[str, Sequence[float]], kinds: Sequence[str]) -> float | None:
    """Join ``score.py``'s [rate, count] of ``source/category`` over the kinds of one group."""
    found = [rate for name, rate in rates.items() if name.partition("/")[2] in kinds]
    total = sum(count for _, count in found)
    return sum(rate * count for rate, count in found) / total if total else None


def _short(figures: Mapping[str, Any], false_hits: Mapping[str, float]) -> list[str]:
    found = [
        f"{name} short by {least - figures[name]:.3f}"
        for name, least in TARGETS.items()
        if figures[name] is not None and figures[name] < least
    ]
    return found + [
        f"{group} over by {100 * (share - MOST_FALSE):.1f}"
        for group, share in false_hits.items()
        if share > MOST_FALSE
    ]


def cosine(_: Sequence[Pair], texts: Sequence[str]) -> PairScorer:
    """The bare embedding; learns nothing."""
    vectors = embed_stream("wordllama", texts)
    row = {text: number for number, text in enumerate(texts)}
    return lambda question, candidate: float(
        np.dot(vectors[row[question]], vectors[row[candidate]])
    )


def guarded_cosine(learned: Sequence[Pair], texts: Sequence[str]) -> PairScorer:
    """The embedding among what the guard allows; whatever it refuses ranks below all of that."""
    near = cosine(learned, texts)

    def score(question: str, candidate: str) -> float:
        allowed = compare(question, candidate).allowed
        return near(question, candidate) - (0.0 if allowed else 2.0)

    return score


SCORERS: dict[str, Training] = {"cosine": cosine, "guard, then cosine": guarded_cosine}
