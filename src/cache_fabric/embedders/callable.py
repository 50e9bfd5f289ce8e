"""Any function from text to vector as an embedder."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from cache_fabric.embedders._blocking import Matrix, MicroBatcher, await_rows
from cache_fabric.errors import ConfigurationError

__all__ = ["CallableEmbedder"]


class CallableEmbedder:
    """Embeds with the user's own function.

    A plain function runs in threads. An ``async def`` function runs on the loop that embeds, which
    is the fabric's and not the application's: it must not use a client that belongs to another.

    Args:
        function: ``text -> vector``, or with ``batch=True`` ``texts -> one vector a text``.
        identity: Names the model behind the function. Its default is the function's module and
            qualified name; give it for a lambda, a partial, or one function over several models,
            whose vectors would otherwise count as the same.
        batch: Whether the function takes a list of texts.

    Raises:
        ConfigurationError: The function cannot be called.
    """

    def __init__(
        self, function: Callable[..., Any], *, identity: str | None = None, batch: bool = False
    ) -> None:
        if not callable(function):
            raise ConfigurationError(
                f"embedder: expected a callable text -> vector, got {type(function).__name__}"
            )
        self.identity = identity or f"callable/{_qualified_name(function)}"
        self._function = function
        self._batch = batch
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            type(function).__call__
        )
        # Joining calls of a one-text function gains nothing and makes the first wait for the last.
        self._threads = MicroBatcher(self.identity, self._rows, max_batch=64 if batch else 1)

    async def open(self) -> None:
        """Nothing to load."""

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self._is_async:
            return await await_rows(self.identity, self._awaited_rows, texts)
        return await self._threads.embed(texts)

    async def aclose(self) -> None:
        self._threads.close()

    def _rows(self, texts: list[str]) -> Any:
        return self._function(texts) if self._batch else [self._function(text) for text in texts]

    async def _awaited_rows(self, texts: list[str]) -> Any:
        if self._batch:
            return await self._function(texts)
        return [await self._function(text) for text in texts]


def _qualified_name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
