"""Executions on their way to the store: a caller hands one over and goes on.

A run is encoded at once, so that what waits is shared with nobody and its bound counts true bytes.
One task on the home loop writes it, in batches: it waits a moment before each, so that runs in a
row do not change threads with it at every turn. Above the bound, after the fabric was closed, and
where the store fails, a run is dropped and told of, never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from cache_fabric.errors import FabricClosedError

__all__ = ["ExecutionQueue", "Keep"]

_PAUSE = 0.05
_BATCH = 256
_BATCH_BYTES = 1024 * 1024

Keep = Callable[[Sequence[bytes]], Awaitable[Sequence[str | None]]]
"""Writes drafts; returns for each why it was not kept, ``None`` for what was."""

_encoder = msgspec.msgpack.Encoder()


class ExecutionQueue:
    """The queue of one process; `put` is for any thread, the rest for the home loop.

    Args:
        keep: Writes a batch; raises if nothing of it was kept.
        post: Runs a function on the home loop soon.
        told: Hears how each run ended: its id, and why it was dropped or ``None``.
        max_entries: Most runs waiting.
        max_bytes: Most bytes waiting.
    """

    def __init__(
        self,
        keep: Keep,
        post: Callable[[Callable[[], None]], object],
        told: Callable[[str, str | None], None],
        *,
        max_entries: int,
        max_bytes: int,
    ) -> None:
        self._keep = keep
        self._post = post
        self._told = told
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        # A thread may take it twice: a garbage collection inside may end another run of its.
        self._lock = threading.RLock()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._awake = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def put(self, execution_id: str, draft: Mapping[str, Any]) -> bool:
        """Queue a draft; returns whether there was room for it."""
        try:
            data = _encoder.encode(draft)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return self._drop(execution_id, "not plain data")
        with self._lock:
            refusal = self._refusal(len(data))
            if refusal is None:
                self._waiting.append((execution_id, data))
                self._bytes += len(data)
                sleeping, self._awake = not self._awake, True
        if refusal is not None:
            return self._drop(execution_id, refusal)
        return self._wake() if sleeping else True

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped."""
        self._begin()
        self._hurry.set()
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Drop what waits, and whatever comes later."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        for execution_id, _ in left:
            self._drop(execution_id, "closed")

    def __len__(self) -> int:
        return len(self._waiting)

    def _refusal(self, size: int) -> str | None:
        if self._closed:
            return "closed"
        full = len(self._waiting) >= self._max_entries or self._bytes + size > self._max_bytes
        return "queue full" if full else None

    def _wake(self) -> bool:
        try:
            self._post(self._begin)
        except (FabricClosedError, RuntimeError):  # the home loop has ended
            self.close()
            return False
        return True

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), _PAUSE)
        self._hurry.clear()
        while batch := self._take():
            reasons: Sequence[str | None] = ["cancelled"] * len(batch)
            try:
                reasons = await self._keep([data for _, data in batch])
            except Exception as error:  # noqa: BLE001 - the write-behind seam: a fault is a drop
                reasons = [type(error).__name__] * len(batch)
            finally:
                for (execution_id, _), reason in zip(batch, reasons, strict=True):
                    self._told(execution_id, reason)

    def _take(self) -> list[tuple[str, bytes]]:
        batch: list[tuple[str, bytes]] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][1])
            self._bytes -= size
            self._awake = bool(batch)
        return batch

    def _drop(self, execution_id: str, reason: str) -> bool:
        self._told(execution_id, reason)
        return False
