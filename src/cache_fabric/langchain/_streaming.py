"""How a call of a wrapped model streams: kept, led, or followed.

Each step has two colours, since a generator of one cannot be driven by the other; what the steps
decide is in `_shared_stream`, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

from langchain_core.outputs import ChatGenerationChunk

from cache_fabric.langchain._live_astream import LiveAsyncStream, LiveAsyncStreams
from cache_fabric.langchain._live_stream import LiveStream, LiveStreams
from cache_fabric.langchain._model_call import ModelCall, Served
from cache_fabric.langchain._replay import pause_of
from cache_fabric.langchain._shared_stream import Follower, Leader

__all__ = ["Streaming"]

Chunk = ChatGenerationChunk
Chunks = Iterator[Chunk]
AsyncChunks = AsyncIterator[Chunk]


class Streaming:
    """Streams the calls of one class of wrapped models.

    Args:
        repeatable: Tools whose calls may be shared.
        natural: Whether a replay takes its time.
    """

    def __init__(self, repeatable: frozenset[str], *, natural: bool) -> None:
        self._repeatable = repeatable
        self._natural = natural
        self._live = LiveStreams()
        self._live_async = LiveAsyncStreams()

    def read(self, call: ModelCall, upstream: Callable[[], Chunks]) -> Generator[Chunk]:
        """Yield the chunks of an answer; ``upstream`` calls the model."""
        served = call.begin()
        while served is None:
            live, leads = self._live.join(call.key)
            if leads:
                served = _led(live, call, upstream)
                if served is not None:
                    break
            reader = Leader() if leads else Follower(call, self._repeatable)
            with reader, contextlib.closing(live.read()) as chunks:
                for chunk in chunks:
                    yield from reader.take(chunk)
            rest = reader.rest(live)
            if rest is not None:
                yield from rest
                return
            served = call.lookup() if live.answered else live.standing_in if leads else None
        yield from self._replay(served)

    async def aread(
        self, call: ModelCall, upstream: Callable[[], AsyncChunks]
    ) -> AsyncGenerator[Chunk]:
        """As `read`, without blocking the running loop."""
        served = await call.abegin()
        while served is None:
            live, leads = self._live_async.join(call.key)
            if leads:
                served = await _aled(live, call, upstream)
                if served is not None:
                    break
            reader = Leader() if leads else Follower(call, self._repeatable)
            with reader:
                async with contextlib.aclosing(live.read()) as chunks:
                    async for chunk in chunks:
                        for own in reader.take(chunk):
                            yield own
            rest = reader.rest(live)
            if rest is not None:
                for own in rest:
                    yield own
                return
            served = await call.alookup() if live.answered else live.standing_in if leads else None
        async for chunk in self._areplay(served):
            yield chunk

    def _replay(self, served: Served) -> Generator[Chunk]:
        pause = self._pause(served)
        for chunk in served.chunks:
            yield chunk
            if pause and not _in_loop():  # the loop may be the one that everybody waits for
                time.sleep(pause)

    async def _areplay(self, served: Served) -> AsyncGenerator[Chunk]:
        pause = self._pause(served)
        for chunk in served.chunks:
            yield chunk
            if pause:
                await asyncio.sleep(pause)

    def _pause(self, served: Served) -> float:
        return pause_of(served.latency, len(served.chunks)) if self._natural else 0.0


def _led(live: LiveStream, call: ModelCall, upstream: Callable[[], Chunks]) -> Served | None:
    """Begin a stream, unless there is a kept answer."""
    live.call = call
    try:
        served = call.lookup()
        if served is None:
            live.start(upstream())
    except BaseException as error:
        live.fail(error)
        if live.standing_in is None:
            raise
        return live.standing_in
    if served is not None:
        live.dismiss()
    return served


async def _aled(
    live: LiveAsyncStream, call: ModelCall, upstream: Callable[[], AsyncChunks]
) -> Served | None:
    live.call = call
    try:
        served = await call.alookup()
        if served is None:
            live.start(upstream())
    except BaseException as error:
        live.fail(error)
        if live.standing_in is None:
            raise
        return live.standing_in
    if served is not None:
        live.dismiss()
    return served


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
