"""Iterators that are closed after use, if they can be: models may stream by any iterator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import TypeVar

__all__ = ["aclosed", "closed"]

T = TypeVar("T")


@contextlib.contextmanager
def closed(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator at the end of the context."""
    try:
        yield items
    finally:
        if isinstance(items, Generator):
            items.close()


@contextlib.asynccontextmanager
async def aclosed(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an asynchronous generator at the end of the context."""
    try:
        yield items
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
