"""A circuit breaker: after some failures in a row a part is left alone for a while.

The pattern is from Nygard, "Release It!". An outage then costs one timeout a cool-down, not one a
call. Pure but for the clock that is handed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Counts failures of one part.

    Args:
        failures: Failures in a row that open it.
        cool_down: Seconds until one trial call is let through again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        failures: int = 5,
        cool_down: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._cool_down = cool_down
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """True while calls are refused."""
        return self._failures >= self._limit and self._clock() < self._retry_at

    def allow(self) -> bool:
        """Return whether to try; after the cool-down one caller at a time may."""
        if self._failures < self._limit:
            return True
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + self._cool_down
        return True

    def succeeded(self) -> None:
        """The part works: close."""
        self._failures = 0

    def failed(self) -> None:
        """The part failed: count, and open at the limit."""
        self._failures += 1
        if self._failures >= self._limit:
            self._retry_at = self._clock() + self._cool_down
