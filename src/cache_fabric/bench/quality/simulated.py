"""Caches that need nothing but similarities: static thresholds, and the vCache rule."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from cache_fabric.bench.quality.vcache import Verdicts, exploration
from cache_fabric.bench.quality.vectors import earlier

if TYPE_CHECKING:
    from cache_fabric.bench.quality.streams import Stream
    from cache_fabric.embedders.base import Matrix

__all__ = ["Insertion", "Judge", "Simulated", "StaticThreshold", "VCache", "judge", "replay"]

Judge = Callable[[str, str], bool]
Insertion = Literal["judged different", "every request"]
Decision = dict[str, Any]


class Simulated(Protocol):
    """A cache that decides from the similarities of a request to those before it."""

    def decide(self, row: int, similarities: Matrix) -> Decision:
        """Return ``score.py``'s decision of this row, and learn from it."""


def replay(
    caches: Sequence[Simulated],
    vectors: Matrix,
    scopes: Sequence[str | None],
    tick: Callable[[int], None] = lambda _: None,
) -> list[list[Decision]]:
    """Send every row to all caches in one pass; returns the decisions of each.

    ``ms`` is the time of the rule alone: the search is shared.
    """
    decisions: list[list[Decision]] = [[] for _ in caches]
    for row, similarities in earlier(vectors, scopes):
        for cache, kept in zip(caches, decisions, strict=True):
            started = time.perf_counter()
            decision = cache.decide(row, similarities)
            decision["ms"] = 1e3 * (time.perf_counter() - started)
            kept.append(decision)
        tick(1)
    return decisions


def judge(flip: float, seed: int) -> Judge:
    """Return the comparison of two answers that a cache learns from, wrong at this rate."""
    draw = random.Random(seed).random  # noqa: S311 - reproducible noise, not a secret

    def same(left: str, right: str) -> bool:
        equal = left == right
        return not equal if flip and draw() < flip else equal

    return same


class _Rows:
    """The rows that a cache holds, as a growing array of numbers."""

    def __init__(self, capacity: int) -> None:
        self._rows = np.empty(capacity, dtype=np.int64)
        self._count = 0

    def add(self, row: int) -> None:
        self._rows[self._count] = row
        self._count += 1

    def nearest(self, similarities: Matrix) -> tuple[int, float] | None:
        """Return the held row that is nearest, and its similarity; the oldest of equals."""
        if not self._count:
            return None
        held = similarities[self._rows[: self._count]]
        best = int(held.argmax())
        return int(self._rows[best]), min(1.0, float(held[best]))


class StaticThreshold:
    """Serves the nearest above a fixed similarity; every miss is inserted, nothing is learned."""

    def __init__(self, similarity: float, requests: int) -> None:
        # Similarities of equal vectors differ from 1 in the last digits.
        self._least = similarity - 1e-6
        self._held = np.zeros(requests, dtype=bool)

    def decide(self, row: int, similarities: Matrix) -> Decision:
        near = np.flatnonzero(similarities >= self._least)
        near = near[self._held[near]]
        if len(near):
            return {"i": row, "hit": 1, "src": int(near[similarities[near].argmax()])}
        self._held[row] = True
        return {"i": row, "hit": 0}


class VCache:
    """vCache's policy over its single nearest entry.

    Args:
        stream: Whose answers are judged; a row's own answer is seen only when it is explored.
        max_error: d, the share of requests that may be answered wrong.
        insertion: ``"judged different"`` keeps an explored request only when its answer differed
            from its neighbor's, as the released code does; ``"every request"`` keeps all, a served
            one with the answer that was served, as other reproductions do.
        same: Compares two answers.
        seed: Of the exploration.
    """

    def __init__(
        self, stream: Stream, max_error: float, insertion: Insertion, same: Judge, seed: int
    ) -> None:
        self._answers = stream.answers
        self._max_error = max_error
        self._every = insertion == "every request"
        self._same = same
        self._draw = random.Random(seed).random  # noqa: S311 - reproducible, not a secret
        self._held = _Rows(len(stream))
        self._verdicts: dict[int, Verdicts] = {}
        self._source: dict[int, int] = {}

    def decide(self, row: int, similarities: Matrix) -> Decision:
        nearest = self._held.nearest(similarities)
        if nearest is None or nearest[1] <= -1.0:
            self._insert(row, row)
            return {"i": row, "hit": 0}
        entry, similarity = nearest[0], round(nearest[1], 3)
        source = self._source[entry]
        curve = self._verdicts[entry].curve()
        if curve is not None and self._draw() > exploration(curve, similarity, self._max_error):
            if self._every:
                self._insert(row, source)
            return {"i": row, "hit": 1, "src": source, "p": curve.right(similarity)}
        right = self._same(self._answers[row], self._answers[source])
        self._verdicts[entry].add(similarity, right)
        if self._every or not right:
            self._insert(row, row)
        return {"i": row, "hit": 0}

    def _insert(self, row: int, source: int) -> None:
        self._held.add(row)
        self._verdicts[row] = Verdicts()
        self._source[row] = source
