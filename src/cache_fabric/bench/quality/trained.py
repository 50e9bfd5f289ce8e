"""The matcher trained on pairs: what its figures are worth where there is no neighborhood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.bench.quality.pairs import Pair, PairScorer, cosine
from cache_fabric.matcher.features import BUCKETS, Rarity, differences, pair_figures
from cache_fabric.matcher.logistic import Logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["matched"]

_PASSES = 3
_VARIANCE = 0.5
_SPARSE_VARIANCE = 0.05
_SMALLEST_SCALE = 0.05
_MOST = 5.0


def matched(learned: Sequence[Pair], texts: Sequence[str]) -> PairScorer:
    """Learn from labelled pairs in one order, as the shipped weights are learned from streams."""
    near, rarity = cosine(learned, texts), Rarity()
    for text in texts:
        rarity.add(text)

    def figures(question: str, candidate: str) -> list[float]:
        found, _ = pair_figures(question, candidate, rarity)
        return [*found, near(question, candidate)]

    sides = [(pair["text_b"], pair["text_a"]) for pair in learned]
    raw = np.array([figures(*pair) for pair in sides])
    mean, scale = raw.mean(axis=0), np.maximum(raw.std(axis=0), _SMALLEST_SCALE)

    def row(found: Sequence[float]) -> NDArray[np.float64]:
        return np.append(np.clip((np.array(found) - mean) / scale, -_MOST, _MOST), 1.0)

    width = raw.shape[1] + 1
    model = Logistic(
        np.zeros(width),
        np.eye(width) * _VARIANCE,
        np.zeros(BUCKETS),
        np.full(BUCKETS, _SPARSE_VARIANCE),
    )
    hashed = [differences(*pair) for pair in sides]
    order = np.random.default_rng(0).permutation(len(learned))
    for _ in range(_PASSES):
        for at in order:
            right = float(learned[at]["same_answer"])
            model.learn(row(raw[at]), right, 1.0 / _PASSES, hashed[at])

    def score(question: str, candidate: str) -> float:
        rows = row(figures(question, candidate))[None, :]
        means, _ = model.predict(rows, [differences(question, candidate)])
        return float(means[0])

    return score
