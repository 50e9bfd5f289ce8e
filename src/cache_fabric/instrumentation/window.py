"""How far back figures look: ``"15m"``, seconds or a ``timedelta``. Pure."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from cache_fabric.errors import ValidationError

__all__ = ["HOUR", "MINUTE", "Window", "first_minute"]

MINUTE = 60
HOUR = 3600
"""Seconds of the spans of which sums are kept."""

Window = str | float | timedelta
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_LONGEST = 86_400.0


def first_minute(window: Window, now: float) -> int:
    """Return the minute since the epoch in which a window begins; it is looked at from its start.

    Raises:
        ValidationError: It cannot be read, or is not above 0 and at most a day.
    """
    seconds = _seconds(window)
    if not 0 < seconds <= _LONGEST:
        raise ValidationError("window", f"expected above 0 and at most 24h, got {window!r:.40}")
    return int((now - seconds) // MINUTE)


def _seconds(window: Window) -> float:
    given: object = window
    if isinstance(given, timedelta):
        return given.total_seconds()
    if isinstance(given, str) and (read := _WRITTEN.fullmatch(given.strip())):
        return float(read[1]) * _UNITS[read[2]]
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given)
    expected = 'seconds, a timedelta or text such as "15m"'
    raise ValidationError("window", f"expected {expected}, got {given!r:.40}")
