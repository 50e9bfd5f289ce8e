"""Work that outlives the request that began it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["in_background"]

T = TypeVar("T")


def in_background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task of the running loop that does not inherit the context of who starts it.

    What serves everybody would otherwise be done in the name of the first: an instrumented client
    of a store would write all its spans, as long as the process lives, below one request's.
    """
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
