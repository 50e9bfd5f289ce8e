"""Intervals of a share: how large it may be, given how often it was seen. Pure."""

from __future__ import annotations

import functools
import math

__all__ = ["share_interval", "upper_share"]

_HALVINGS = 50
_TERMS = 300
_TINY = 1e-300
_Z = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


@functools.lru_cache(maxsize=1024)
def upper_share(count: float, total: float, confidence: float) -> float:
    """Return the upper end of Clopper and Pearson's (1934) one-sided interval of ``count / total``.

    It holds with at least this confidence for any total. Counts need not be whole: those of
    weighted observations are effective sizes.
    """
    if total <= 0 or count >= total:
        return 1.0
    low, high = count / total, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _beta(middle, count + 1, total - count) < confidence:
            low = middle
        else:
            high = middle
    return high


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Return Wilson's (1927) 95 % interval of ``count / total``; (0, 1) where nothing was seen."""
    if total <= 0:
        return 0.0, 1.0
    share, square = count / total, _Z * _Z / total
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / total + square / total / 4) / (1 + square)
    # At both ends the bound is exact, whatever is rounded.
    low = 0.0 if count == 0 else max(0.0, middle - half)
    return low, 1.0 if count == total else min(1.0, middle + half)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function (DLMF 8.17.22), x within (0, 1)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    return front / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + ...)) by Lentz's method."""
    value, c, d = 1.0, 1.0, 0.0
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _kept_off_zero(1 + numerator * d)
        c = _kept_off_zero(1 + numerator / c)
        value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value


def _kept_off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
