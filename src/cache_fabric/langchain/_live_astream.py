"""A model's stream that tasks of one loop share: one upstream call, each reads it as it comes.

A task of its own pulls the upstream, from its first chunk to its end and only when somebody needs
the next one: so the stream belongs to no reader, and a leader that is cancelled hands over to
whoever is left. When all have left, the task is cancelled and the answer given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from langchain_core.outputs import ChatGenerationChunk

from cache_fabric.langchain._closing import aclosed
from cache_fabric.langchain._shared_stream import SharedStream

__all__ = ["LiveAsyncStream", "LiveAsyncStreams"]


class LiveAsyncStreams:
    """The streams that are under way, by exact key and loop."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str | None, asyncio.AbstractEventLoop], LiveAsyncStream] = {}

    def join(self, key: str | None) -> tuple[LiveAsyncStream, bool]:
        """Return the running loop's stream of a key, and whether the caller leads it.

        Without a key nobody else will find the stream.
        """
        place = (key, asyncio.get_running_loop())
        live = None if key is None else self._streams.get(place)
        leads = live is None
        if live is None:
            live = LiveAsyncStream(lambda: self._streams.pop(place, None))
        if leads and key is not None:
            self._streams[place] = live
        live.readers += 1
        return live, leads


class LiveAsyncStream(SharedStream):
    """Read by any number of tasks of one loop.

    Args:
        forget: Lets nobody join any more; called once.
    """

    def __init__(self, forget: Callable[[], object]) -> None:
        super().__init__()
        self._forget = forget
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._puller: asyncio.Task[None] | None = None

    def start(self, upstream: AsyncIterator[ChatGenerationChunk]) -> None:
        """Begin to read the model's stream."""
        self._puller = asyncio.create_task(self._pull(upstream))

    def dismiss(self) -> None:
        """Say that there is a kept answer instead."""
        self.answered = True
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """Say that the stream has not begun, and why."""
        self.settle(error)
        self._end(error)

    async def read(self) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the chunks, which are everybody's, until it is over or the reader leaves."""
        at = 0
        try:
            while True:
                while at >= len(self.chunks):
                    if self.over:
                        return
                    self._wanted.set()
                    await self._news.wait()
                yield self.chunks[at]
                at += 1
        finally:
            await self._leave()

    async def _pull(self, upstream: AsyncIterator[ChatGenerationChunk]) -> None:
        error: BaseException | None = None
        try:
            async with aclosed(upstream) as chunks:
                async for chunk in chunks:
                    self.chunks.append(chunk)
                    self._wanted.clear()
                    self._tell()
                    await self._wanted.wait()
        except BaseException as raised:
            error = raised
            if not isinstance(raised, Exception):
                raise
        finally:
            self.settle(error)
            self._end(error)

    async def _leave(self) -> None:
        self.readers -= 1
        if self.readers or self.over or self._puller is None:
            return
        self._forget()
        self._puller.cancel()
        await asyncio.wait([self._puller])

    def _end(self, error: BaseException | None) -> None:
        self.error = error
        self.over = True
        self._forget()
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
