"""Calibration: what the matcher's log odds have meant lately, and how sure that is.

Platt's map, ``log odds of right = a + b s`` (Platt 1999), with a Gaussian over (a, b) that starts
at the identity. Every label moves it; older labels fade, so it follows drift. Where labels are many
it trusts them, where they are few the risk that it states is larger than its best guess.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.matcher.logistic import Logistic, moderated, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FADING", "Calibration"]

_PRIOR = (0.3, 0.05)
FADING = 0.999
"""What a label leaves of what was known before it."""
_DEVIATIONS = 1.0
_SLOPES = (0.3, 2.0)


class Calibration:
    """The map of one partition family from the matcher's score to a probability."""

    def __init__(self) -> None:
        self.model = Logistic(np.array([0.0, 1.0]), np.diag(_PRIOR))
        self.labels = 0

    def judge(self, score: float) -> tuple[float, float]:
        """Return the probability that the answer is right, and the risk that it is wrong.

        The risk is one standard deviation on the safe side.
        """
        means, variances = self.model.predict(np.array([[1.0, score]]))
        mean, variance = float(means[0]), float(variances[0])
        careful = mean - _DEVIATIONS * math.sqrt(variance)
        probability = sigmoid(moderated(mean, variance))
        return probability, 1.0 - min(probability, sigmoid(careful))

    def learn(self, score: float, right: bool, weight: float) -> None:
        """Take the label of an answer in that the matcher scored so."""
        model = self.model
        model.learn(np.array([1.0, score]), float(right), weight)
        self.labels += 1
        self._bound_slope()
        self._widen(1.0 / FADING)

    def doubt(self) -> None:
        """Forget how sure it is, and expect less: its labels no longer say what is true now."""
        self.model.weights[0] -= 1.0
        self._widen(math.inf)

    def resume(self, mean: Floats, covariance: Floats, labels: int) -> None:
        """Go on from a map that was learned before: shapes (2,) and (2, 2), from so many labels."""
        self.model = Logistic(mean, covariance)
        self.labels = labels
        self._bound_slope()
        self._widen(1.0)

    def _bound_slope(self) -> None:
        weights = self.model.weights
        weights[1] = min(max(weights[1], _SLOPES[0]), _SLOPES[1])

    def _widen(self, factor: float) -> None:
        """Let the covariance grow, but never beyond the prior's."""
        known = self.model.covariance
        if math.isinf(factor):
            self.model.covariance = np.diag(_PRIOR)
            return
        known *= factor
        scale = np.sqrt(np.minimum(1.0, np.array(_PRIOR) / np.diag(known)))
        known *= np.outer(scale, scale)
