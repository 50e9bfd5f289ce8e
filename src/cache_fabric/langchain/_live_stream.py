"""A model's stream that threads share: one upstream call, each reads it as it comes.

Whoever needs the next chunk pulls it, so the stream belongs to nobody: a leader that leaves hands
over to whoever is left. When all have left, the upstream is closed and its answer given up.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterator

from langchain_core.outputs import ChatGenerationChunk

from cache_fabric.langchain._shared_stream import SharedStream

__all__ = ["LiveStream", "LiveStreams"]


class LiveStreams:
    """The streams that are under way, by exact key."""

    def __init__(self) -> None:
        # Reentrant: a collected generator leaves its stream in whatever thread collects it.
        self._lock = threading.RLock()
        self._streams: dict[str | None, LiveStream] = {}

    def join(self, key: str | None) -> tuple[LiveStream, bool]:
        """Return the stream of a key, and whether the caller leads it, and so has to begin it.

        Without a key nobody else will find the stream.
        """
        with self._lock:
            live = None if key is None else self._streams.get(key)
            leads = live is None
            if live is None:
                live = LiveStream(self._lock, lambda: self._streams.pop(key, None))
            if leads and key is not None:
                self._streams[key] = live
            live.readers += 1
            return live, leads


class LiveStream(SharedStream):
    """Read by any number of threads, pulled by one at a time.

    Args:
        lock: Guards the state; reentrant.
        forget: Lets nobody join any more; called once, under the lock.
    """

    def __init__(self, lock: threading.RLock, forget: Callable[[], object]) -> None:
        super().__init__()
        self._changed = threading.Condition(lock)
        self._forget = forget
        self._upstream: Iterator[ChatGenerationChunk] | None = None
        # Whoever pulls, the upstream runs in the context of the caller that began it.
        self._context = contextvars.copy_context()
        self._is_pulled = False

    def start(self, upstream: Iterator[ChatGenerationChunk]) -> None:
        """Begin to read the model's stream."""
        with self._changed:
            self._upstream = upstream
            self._changed.notify_all()

    def dismiss(self) -> None:
        """Say that there is a kept answer instead."""
        with self._changed:
            self.answered = True
            self._end()

    def fail(self, error: BaseException) -> None:
        """Say that the stream has not begun, and why."""
        self.settle(error)
        with self._changed:
            self.error = error
            self._end()

    def read(self) -> Generator[ChatGenerationChunk]:
        """Yield the chunks, which are everybody's, until it is over or the reader leaves."""
        at = 0
        try:
            while (chunk := self._at(at)) is not None:
                yield chunk
                at += 1
        finally:
            self._leave()

    def _at(self, at: int) -> ChatGenerationChunk | None:
        while True:
            with self._changed:
                while at >= len(self.chunks):
                    if self.over:
                        return None
                    if self._upstream is not None and not self._is_pulled:
                        break
                    self._changed.wait()
                else:
                    return self.chunks[at]
                upstream, self._is_pulled = self._upstream, True
            self._pull(upstream)

    def _pull(self, upstream: Iterator[ChatGenerationChunk]) -> None:
        error: BaseException | None = None
        chunk = None
        try:
            chunk = self._context.run(next, upstream, None)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, Exception):
                raise  # an interrupt is this thread's own
        finally:
            if chunk is None:
                self.settle(error)
            with self._changed:
                self._is_pulled = False
                if chunk is not None:
                    self.chunks.append(chunk)
                else:
                    self.error = error
                    self._end()
                self._changed.notify_all()

    def _leave(self) -> None:
        with self._changed:
            self.readers -= 1
            if self.readers or self.over:
                return
            self._end()
            upstream = self._upstream
        try:
            if isinstance(upstream, Generator):
                self._context.run(upstream.close)
        finally:
            self.settle(GeneratorExit())

    def _end(self) -> None:
        self.over = True
        self._forget()
        self._changed.notify_all()
