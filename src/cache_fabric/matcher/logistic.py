"""Logistic regression that learns one label at a time and knows how sure it is.

The weights have a Gaussian distribution: full covariance for the dense features, a variance each
for the hashed ones. A label moves it by one step of the extended Kalman filter, which is Newton's
step on the log likelihood of that label (Fahrmeir 1992, "Posterior mode estimation by extended
Kalman filtering for multivariate dynamic generalized linear models"; with a diagonal covariance it
is the update of Graepel et al., "Web-scale Bayesian click-through rate prediction", ICML 2010).
The prior is what the shipped weights say, so there is no cold start. Probabilities integrate over
what is not known by MacKay's approximation, sigma(m / sqrt(1 + pi v / 8)) (Neural Computation 4,
1992).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Logistic", "logit", "moderated", "sigmoid"]

_FLATTEST = 1e-3
_STEEPEST = 30.0


def sigmoid(x: float) -> float:
    """The logistic function, safe for any finite x."""
    return 1.0 / (1.0 + math.exp(-max(-_STEEPEST, min(_STEEPEST, x))))


def logit(p: float) -> float:
    """Its inverse, for p clipped to what a float can tell from 0 and 1."""
    p = min(max(p, 1e-12), 1.0 - 1e-12)
    return math.log(p / (1.0 - p))


def moderated(mean: float, variance: float) -> float:
    """The log odds of the probability that a Gaussian over log odds predicts (MacKay 1992)."""
    return mean / math.sqrt(1.0 + math.pi * variance / 8.0)


class Logistic:
    """P(y = 1 | x) with a Gaussian over the weights.

    Args:
        weights: Means of the dense weights, float64 of shape (d,); copied.
        covariance: Shape (d, d); copied.
        sparse: Means of the hashed weights, shape (b,); copied.
        variances: Their variances, shape (b,); copied.
    """

    def __init__(
        self,
        weights: Floats,
        covariance: Floats,
        sparse: Floats | None = None,
        variances: Floats | None = None,
    ) -> None:
        self.weights = np.array(weights, np.float64)
        self.covariance = np.array(covariance, np.float64)
        self.sparse = np.zeros(0) if sparse is None else np.array(sparse, np.float64)
        self.variances = np.zeros(0) if variances is None else np.array(variances, np.float64)

    def predict(self, rows: Floats, hashed: Sequence[Sequence[int]] = ()) -> tuple[Floats, Floats]:
        """Return mean and variance of the log odds of each row, both of shape (n,)."""
        means = rows @ self.weights
        variances = np.einsum("ij,ij->i", rows @ self.covariance, rows)
        for at, buckets in enumerate(hashed):
            if buckets:
                means[at] += self.sparse[buckets].sum()
                variances[at] += self.variances[buckets].sum()
        return means, variances

    def learn(
        self, row: Floats, right: float, weight: float = 1.0, buckets: Sequence[int] = ()
    ) -> None:
        """Take one label in; ``weight`` is how many labels it stands for."""
        spread = self.covariance @ row
        mean, variance = float(row @ self.weights), float(row @ spread)
        at = list(buckets)
        if at:
            mean += float(self.sparse[at].sum())
            variance += float(self.variances[at].sum())
        p = sigmoid(mean)
        curvature = max(p * (1.0 - p), _FLATTEST) * weight
        shrink = 1.0 + curvature * variance
        step = weight * (right - p) / shrink
        self.weights += spread * step
        self.covariance -= np.outer(spread, spread) * (curvature / shrink)
        if at:
            known = self.variances[at]
            self.sparse[at] += known * step
            self.variances[at] = known - known * known * (curvature / shrink)
