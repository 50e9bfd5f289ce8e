"""Embedding functions that block, run in threads; texts that queue up are joined into batches."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    CacheFabricError,
)

__all__ = ["MicroBatcher", "await_rows", "well_formed"]

Matrix = NDArray[np.float32]


class MicroBatcher:
    """Rows from a blocking function, for callers on any event loop.

    A call starts at once while a thread is free. Calls that arrive while all threads work are
    joined into one call of the function, and its rows are split again. Cancelling a caller that
    waits takes its texts out of the queue; a batch that runs is never interrupted.

    Args:
        name: Names the embedder in errors.
        function: Texts to anything that numpy reads as a matrix, one row a text.
        threads: How many batches may run at once.
        max_batch: Most texts in one call of the function; a longer call is cut.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[list[str]], Any],
        *,
        threads: int = 2,
        max_batch: int = 64,
    ) -> None:
        self._name = name
        self._function = function
        self._threads = threads
        self._max_batch = max_batch
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """One float32 row a text.

        Raises:
            BackendError: The function failed (its error is the cause), or its rows do not fit.
        """
        clean = well_formed(texts)
        size = self._max_batch
        parts = [await self._rows(clean[at : at + size]) for at in range(0, len(clean), size)]
        if len(parts) == 1:
            return parts[0]
        return _matrix(self._name, [row for part in parts for row in part], len(clean))

    def close(self) -> None:
        """Fail the calls that wait and let the threads end; a later call starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
            waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            if call.rows.set_running_or_notify_cancel():
                call.rows.set_exception(BackendUnavailable(self._name, "embed", "was closed"))
        if pool is not None:
            pool.shutdown(wait=False)

    async def _rows(self, texts: list[str]) -> Matrix:
        call = _Call(texts)
        with self._lock:
            self._forget_other_process()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "cache-fabric-embedder")
            self._waiting.append(call)
            self._pool.submit(self._work)
        return await asyncio.wrap_future(call.rows)

    def _forget_other_process(self) -> None:
        # The threads of a parent do not exist in its forked child, only what was noted of them.
        if self._process != os.getpid():
            self._process = os.getpid()
            self._pool = None
            self._waiting.clear()

    def _work(self) -> None:
        # Every call asks for a thread; those whose texts went with an earlier batch find nothing.
        if batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Call]:
        batch: list[_Call] = []
        room = self._max_batch
        with self._lock:
            while self._waiting and len(self._waiting[0].texts) <= room:
                call = self._waiting.popleft()
                if call.rows.set_running_or_notify_cancel():
                    batch.append(call)
                    room -= len(call.texts)
        return batch

    def _answer(self, batch: list[_Call]) -> None:
        texts = [text for call in batch for text in call.texts]
        try:
            rows = _matrix(self._name, self._function(texts), len(texts))
        # A panic inside a native library is no Exception, and nobody else would free the callers.
        except BaseException as error:  # noqa: BLE001
            for call in batch:
                call.rows.set_exception(_translated(self._name, error))
            return
        start = 0
        for call in batch:
            end = start + len(call.texts)
            call.rows.set_result(rows[start:end])
            start = end


async def await_rows(
    name: str, function: Callable[[list[str]], Awaitable[Any]], texts: Sequence[str]
) -> Matrix:
    """One float32 row a text from a coroutine function, on the running loop.

    Raises:
        BackendError: As `MicroBatcher.embed`.
    """
    if not texts:
        return _matrix(name, [], 0)
    try:
        raw = await function(well_formed(texts))
    except CacheFabricError:
        raise
    except Exception as error:
        raise _translated(name, error) from error
    return _matrix(name, raw, len(texts))


def well_formed(texts: Sequence[str]) -> list[str]:
    """The texts with every lone surrogate replaced, so that any SDK can encode them."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


@dataclass(slots=True, eq=False)
class _Call:
    texts: list[str]
    rows: Future[Matrix] = field(default_factory=Future)


def _matrix(name: str, raw: Any, rows: int) -> Matrix:
    """Check the shape only: what is in a row is for `unit_rows`, or it would fail its neighbors."""
    if rows == 0:
        return np.empty((0, 0), dtype=np.float32)
    try:
        matrix = np.array(raw, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BackendError(name, "embed", "did not return a matrix of numbers") from error
    if matrix.ndim != 2 or matrix.shape[0] != rows:
        raise BackendError(
            name, "embed", f"returned shape {matrix.shape} for {rows} texts, expected (n, d)"
        )
    return matrix


def _translated(name: str, error: BaseException) -> CacheFabricError:
    if isinstance(error, CacheFabricError):
        return error
    kind = BackendError
    if isinstance(error, TimeoutError):
        kind = BackendTimeout
    elif isinstance(error, ConnectionError):
        kind = BackendUnavailable
    # An SDK's message may quote the prompt or the key; it stays in the chained error.
    failure = kind(name, "embed", f"failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure
