"""The matcher of one partition family: neighbors in, log odds that each answer is right out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cache_fabric.guard import Verdict
from cache_fabric.matcher.features import (
    NAMES,
    Neighborhood,
    Rarity,
    differences,
    pair_figures,
)
from cache_fabric.matcher.logistic import Logistic, moderated
from cache_fabric.types import Candidate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cache_fabric.matcher.weights import Weights

    Floats = NDArray[np.float64]

__all__ = ["BASE_RATE_STEP", "JUDGED", "NEIGHBORS", "Matcher", "Reading"]

JUDGED = 8
"""Neighbors whose texts are compared; more of them only vote."""
NEIGHBORS = 16
"""Neighbors that the weights were trained with."""
_CENTERS = 1_000
_CONTRADICTS = NAMES.index("contradicts")
_BELOW = NAMES.index("below nearest")
_FAR = 0.3
"""A neighbor that much less similar than the nearest does not stand in for it."""
_ORDER, _SAME_WORDS = NAMES.index("order"), NAMES.index("same words")
_LABEL_SUPPORT = NEIGHBORS // 4
_LABEL_WEIGHT = 0.8  # the neighbors of one question are not independent of each other
BASE_RATE_STEP = 0.01
"""Weight of one more label in the base rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the matcher made of the neighbors of one question.

    Attributes:
        candidates: Those that were compared, nearest first.
        verdicts: What the guard says of each.
        scores: Log odds that the answer is right, of each.
        rows, hashed: The features behind them.
        best: The position of the highest score among those that the guard does not contradict,
            or of all if there is none.
        contradicted: Whether the guard contradicts the best.
        moved: Whether the best has the same words in another order, which may turn the answer.
        answers: A digest of the answer of each neighbor, those that only vote as well.
    """

    candidates: tuple[Candidate, ...]
    verdicts: tuple[Verdict, ...]
    scores: Floats
    rows: Floats
    hashed: tuple[list[int], ...]
    best: int
    contradicted: bool
    moved: bool
    answers: tuple[str, ...]


class Matcher:
    """Reads, and learns from labels.

    Args:
        weights: What is known before the first label.
        clip: Most standard deviations that a figure may lie off its mean; ``None`` for any.
    """

    def __init__(self, weights: Weights, *, clip: float | None = 5.0) -> None:
        self.model = Logistic(
            weights.dense, weights.covariance, weights.sparse, weights.sparse_variance
        )
        self.rarity = Rarity()
        self.base_rate = weights.base_rate
        self.centers: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._mean, self._scale = weights.mean, weights.scale
        self._clip = np.inf if clip is None else clip

    def read(
        self,
        question: str,
        vector: Any,
        candidates: Sequence[Candidate],
        answers: Sequence[str],
        verified: tuple[str, float] | None = None,
    ) -> Reading:
        """Score the nearest `JUDGED` candidates; the others vote.

        Args:
            question: Its text.
            vector: Its unit vector, or ``None``.
            candidates: Nearest first, with a question each; at least one.
            answers: A digest of the answer of each, equal for equal answers.
            verified: The entry that a verifier was asked about, and the log odds that it gave.
        """
        judged = candidates[:JUDGED]
        pairs, verdicts, hashed = [], [], []
        for candidate in judged:
            text = candidate.entry.question or ""
            figures, verdict = pair_figures(question, text, self.rarity)
            pairs.append(figures)
            verdicts.append(verdict)
            hashed.append(differences(question, text))
        around = Neighborhood(
            np.array([candidate.similarity for candidate in candidates]),
            answers,
            self._to_centers(vector, judged, answers),
            self.base_rate,
            NEIGHBORS,
        ).figures(len(judged))
        told = [_told(candidate, verified) for candidate in judged]
        whole = np.concatenate((np.array(pairs), around, np.array(told)[:, None]), axis=1)
        rows = self._rows(whole)
        means, variances = self.model.predict(rows, hashed)
        label = _labels(answers, len(whole))
        against = _against(whole, answers) & ~label
        moved = (whole[:, _ORDER] * whole[:, _SAME_WORDS] > 0.0) & ~label
        best = int(np.argmax(means if against.all() else np.where(against, -np.inf, means)))
        scores = np.array([moderated(m, v) for m, v in zip(means, variances, strict=True)])
        return Reading(
            tuple(judged),
            tuple(verdicts),
            scores,
            rows,
            tuple(hashed),
            best,
            bool(against[best]),
            bool(moved[best]),
            tuple(answers),
        )

    def learn(self, reading: Reading, labels: Sequence[bool | None], weight: float = 1.0) -> None:
        """Take in which of the candidates' answers were right; ``None`` where nobody can say."""
        for at, right in enumerate(labels):
            if right is not None:
                stands_for = _LABEL_WEIGHT * (weight if at == reading.best else 1.0)
                self.model.learn(reading.rows[at], float(right), stands_for, reading.hashed[at])
        nearest = labels[0]
        if nearest is not None:
            self.see_rate(nearest)

    def hear(self, reading: Reading, right: bool) -> None:
        """Take in whether the best candidate's answer was right, where nobody drew the question."""
        at = reading.best
        self.model.learn(reading.rows[at], float(right), _LABEL_WEIGHT, reading.hashed[at])

    def see_rate(self, right: bool) -> None:
        """Take note of whether the nearest neighbor's answer was right."""
        self.base_rate += BASE_RATE_STEP * (float(right) - self.base_rate)

    def keep(self, question: str, vector: Any, answer: str) -> None:
        """Take note of a question whose fresh answer is kept."""
        self.rarity.add(question)
        if vector is None:
            return
        center = self.centers.pop(answer, None)
        fresh = np.asarray(vector, np.float32)
        self.centers[answer] = fresh.copy() if center is None else center + fresh
        if len(self.centers) > _CENTERS:
            self.centers.popitem(last=False)

    def recall(self, centers: Mapping[str, NDArray[np.float32]]) -> None:
        """Go on from centers that were kept before, oldest first."""
        self.centers = OrderedDict(islice(centers.items(), max(0, len(centers) - _CENTERS), None))

    def _rows(self, figures: Floats) -> Floats:
        rows = np.ones((len(figures), len(NAMES) + 1))
        rows[:, :-1] = np.clip((figures - self._mean) / self._scale, -self._clip, self._clip)
        return rows

    def _to_centers(
        self, vector: Any, judged: Sequence[Candidate], answers: Sequence[str]
    ) -> list[float]:
        found = []
        for candidate, answer in zip(judged, answers, strict=False):
            center = self.centers.get(answer)
            if center is None or vector is None or len(center) != len(vector):
                found.append(candidate.similarity)
            else:
                found.append(float(center @ vector) / (float(np.linalg.norm(center)) + 1e-9))
        return found


def _told(candidate: Candidate, verified: tuple[str, float] | None) -> float:
    return verified[1] if verified is not None and verified[0] == candidate.entry.id else 0.0


def _against(figures: Floats, answers: Sequence[str]) -> NDArray[np.bool_]:
    """Which candidates the guard speaks against: they are not served, whatever their score.

    An answer that many neighbors gave is served if it is contradicted for less than half of them,
    and then for one that nothing speaks against; a lone contradicted neighbor never is.
    """
    against = (figures[:, _CONTRADICTS] > 0.0) | (figures[:, _BELOW] < -_FAR)
    given = np.array(answers[: len(figures)])
    same = given[:, None] == given[None, :]
    vetoed: NDArray[np.bool_] = against | (same @ against.astype(float) >= 0.5 * same.sum(axis=1))
    return vetoed


def _labels(answers: Sequence[str], first: int) -> NDArray[np.bool_]:
    """Which of the first answers a quarter of all neighbors gave.

    Names, numbers and order do not matter to such a label: what the guard says of it is evidence
    and no veto.
    """
    given = np.array(answers)
    label: NDArray[np.bool_] = (given[:first, None] == given).sum(axis=1) >= _LABEL_SUPPORT
    return label
