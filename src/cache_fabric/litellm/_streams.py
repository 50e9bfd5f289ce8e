"""LiteLLM's stream with its end watched: whole, its answer is kept; left or broken, given up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from cache_fabric.litellm._departures import Departures

__all__ = ["AsyncFabricStream", "FabricStream"]

Ended = Callable[[list[Any]], None]
Left = Callable[[], None]
_departures = Departures()


class _Watched:
    """What both colours share; everything else is the stream's own.

    Args:
        stream: As LiteLLM gave it.
        ended: Is told the chunks of a stream that came to its end.
        left: Is told that it did not; idempotent.
        hidden: Joins the stream's hidden parameters.
    """

    def __init__(self, stream: Any, ended: Ended, left: Left, hidden: dict[str, Any]) -> None:
        self._stream = stream
        self._ended = ended
        self._left = left
        self._chunks: list[Any] = []
        _departures.get_ready()
        self._hidden_params = {**(getattr(stream, "_hidden_params", None) or {}), **hidden}

    def _seen(self, chunk: Any) -> Any:
        self._chunks.append(chunk.model_copy(deep=True) if hasattr(chunk, "model_copy") else chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_stream"], name)

    def __del__(self) -> None:
        left = self.__dict__.get("_left")
        if left is not None:
            _departures.note(left)


class FabricStream(_Watched):
    """A stream of ``completion``."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._seen(next(self._stream))
        except StopIteration:
            self._ended(self._chunks)
            raise
        except BaseException:
            self._left()
            raise

    def close(self) -> None:
        """Leave the stream."""
        self._left()
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncFabricStream(_Watched):
    """A stream of ``acompletion``."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._seen(await anext(self._stream))
        except StopAsyncIteration:
            self._ended(self._chunks)
            raise
        except BaseException:
            self._left()
            raise

    async def aclose(self) -> None:
        """Leave the stream."""
        self._left()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
