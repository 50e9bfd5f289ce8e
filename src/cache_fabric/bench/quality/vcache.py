"""The published vCache rule, written anew from its formulae (arXiv 2502.03771).

Each entry y keeps the similarities at which it was the nearest one, with the verdict whether its
answer was right there, and two invented points: (0, wrong) and (1, right). For a request at
similarity s (rounded to three digits):

* fewer than six points: explore;
* fit P(right | s) = sigma(g (s - t)) by unpenalised logistic regression, with g at least 1e-6 and
  t within [0, 1];
* Var(t) by the delta method, q' H^-1 q with H = X'WX and q = (-1/g, b0/g^2); where the verdicts are
  separable (no maximum exists and H vanishes) 0.2 / points stands for the paper's built-in table;
* for 50 values e from .001 to .999: t'(e) = clip(t + z(1-e) sqrt(Var t), 0, 1),
  a(e) = (1-e) sigma(g (s - t'(e))), and tau = min over e of 1 - d / (1 - a(e)), which follows from
  P(right) = P(explore) + (1 - P(explore)) P(right hit) >= 1 - d;
* explore with probability tau: call the model, and the verdict joins the entry.

The fit goes by Newton steps (IRLS) until the mean gradient is below 1e-6, which also decides how
steep a separable curve gets. Where the grid of e begins is open, and matters at small budgets: on
CLINC150 at d = 1 % a begin at 1e-6, .001, .005 and .02 serves 11.7, 14.2, 16.0 and 10.9 % of the
requests, at 2 % all serve 20.5 to 21.4 %. No code is taken from the authors' repository, whose
licence forbids it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

__all__ = ["Curve", "Verdicts", "exploration", "fit"]

_FEWEST = 6
_FLAT = 1e-12  # a determinant below this cannot be inverted
_LEAST_STEP = 1e-3
_STEEPEST = 700.0  # the logit beyond which exp overflows
_LEAST_SLOPE = 1e-6
_STEPS = 40
_TOLERANCE = 1e-6
_SEPARABLE_VARIANCE = 0.2
_EPSILONS = np.linspace(0.001, 0.999, 50)
_QUANTILES = np.array([NormalDist().inv_cdf(1 - e) for e in _EPSILONS])


class Curve(NamedTuple):
    """P(right | s) = sigma(slope (s - middle)), and how sure the middle is."""

    slope: float
    middle: float
    variance: float

    def right(self, similarity: float) -> float:
        """Probability that the answer is right at this similarity."""
        return _sigma(self.slope * (similarity - self.middle))


@dataclass(slots=True)
class Verdicts:
    """What one entry has seen; its curve is fitted when it is asked for after a change."""

    similarities: list[float] = field(default_factory=lambda: [0.0, 1.0])
    rights: list[bool] = field(default_factory=lambda: [False, True])
    _curve: Curve | None = None

    def add(self, similarity: float, right: bool) -> None:
        """Add one verdict."""
        self.similarities.append(round(similarity, 3))
        self.rights.append(right)
        self._curve = None

    def curve(self) -> Curve | None:
        """The fitted curve, ``None`` below six points."""
        if self._curve is None and len(self.rights) >= _FEWEST:
            self._curve = fit(self.similarities, self.rights)
        return self._curve


def fit(similarities: Sequence[float], rights: Sequence[bool]) -> Curve:
    """Fit the curve of these verdicts, which must hold both kinds."""
    s = np.asarray(similarities, dtype=float)
    y = np.asarray(rights, dtype=float)
    b0, b1 = _newton(s, y)
    slope = max(b1, _LEAST_SLOPE)
    middle = min(1.0, max(0.0, -b0 / slope))
    _, (a, b, c) = _derivatives(b0, b1, s, y)
    determinant = a * c - b * b
    if s[y == 0].max() <= s[y == 1].min() or determinant <= _FLAT:
        return Curve(slope, middle, _SEPARABLE_VARIANCE / len(s))
    q0, q1 = -1 / slope, b0 / slope**2
    variance = (q0 * q0 * c - 2 * q0 * q1 * b + q1 * q1 * a) / determinant
    return Curve(slope, middle, max(0.0, variance))


def _newton(s: Column, y: Column) -> tuple[float, float]:
    """Maximise the likelihood of sigma(b0 + b1 s); each step is halved until it gains."""
    b0 = b1 = 0.0
    best = _loss(b0, b1, s, y)
    for _ in range(_STEPS):
        (g0, g1), (a, b, c) = _derivatives(b0, b1, s, y)
        determinant = a * c - b * b
        if max(abs(g0), abs(g1)) <= _TOLERANCE * len(s) or determinant <= _FLAT:
            break
        d0, d1 = (c * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant
        step = 1.0
        while (loss := _loss(b0 + step * d0, b1 + step * d1, s, y)) > best and step > _LEAST_STEP:
            step /= 2
        b0, b1, best = b0 + step * d0, b1 + step * d1, loss
    return b0, b1


def _derivatives(
    b0: float, b1: float, s: Column, y: Column
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Return the gradient, and the three entries of X'WX."""
    p = 1 / (1 + np.exp(-np.clip(b0 + b1 * s, -_STEEPEST, _STEEPEST)))
    miss, w = y - p, p * (1 - p)
    ws = w * s
    gradient = float(miss.sum()), float((miss * s).sum())
    return gradient, (float(w.sum()), float(ws.sum()), float((ws * s).sum()))


def _loss(b0: float, b1: float, s: Column, y: Column) -> float:
    z = b0 + b1 * s
    return float((np.logaddexp(0.0, z) - y * z).sum())


def exploration(curve: Curve, similarity: float, max_error: float) -> float:
    """Return tau, the probability with which the model must be asked; 0 or less: never."""
    middles = np.clip(curve.middle + _QUANTILES * math.sqrt(curve.variance), 0.0, 1.0)
    logits = np.clip(curve.slope * (similarity - middles), -_STEEPEST, _STEEPEST)
    sure = (1 - _EPSILONS) / (1 + np.exp(-logits))
    return 1 - max_error / (1 - float(sure.max()))


def _sigma(z: float) -> float:
    return 1 / (1 + math.exp(-min(_STEEPEST, max(-_STEEPEST, z))))
