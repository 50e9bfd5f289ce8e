"""Long work on the home loop goes in steps, between which lookups take their turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

__all__ = ["in_turns"]

_STEP = 32  # envelopes read between two turns of the loop: about a millisecond
T = TypeVar("T")


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield every item, and let go of the loop after every few."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _STEP == 0:
            await asyncio.sleep(0)
