"""Pauses between tries: longer after each failure, jittered so that readers do not come in step."""

from __future__ import annotations

import asyncio
import random

__all__ = ["back_off", "pause"]

_FIRST = 0.02


def pause(failures: int, longest: float) -> float:
    """Return the seconds to wait after this many failures in a row, at most ``longest``."""
    whole: float = min(longest, _FIRST * 2 ** min(failures, 10))
    return whole * (0.5 + random.random() / 2)  # noqa: S311 - jitter


async def back_off(failures: int, longest: float) -> None:
    """Sleep after this many failures in a row, at most ``longest`` seconds."""
    await asyncio.sleep(pause(failures, longest))
