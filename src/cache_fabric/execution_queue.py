"""Executions on their way to the store: a caller hands one over and goes on.

A run is encoded at once, so that what waits is shared with nobody and its bound counts true bytes.
One task on the home loop writes it, in batches and in the order of their coming: it waits a moment
before each, so that runs in a row do not change threads with it at every turn. Above the bound,
after the fabric was closed, and where the store fails, a run is dropped and told of, never waited
for; but for one whose caller asked to wait, who hears the store's own error.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cache_fabric.background import in_background
from cache_fabric.errors import BackendUnavailable, FabricClosedError, ValidationError

__all__ = ["ExecutionQueue", "Keep"]

_PAUSE = 0.05
_BATCH = 100  # so many take a Redis some 15 ms
_BATCH_BYTES = 1024 * 1024

Keep = Callable[[Sequence[bytes], bool], Awaitable[Sequence[Exception | None]]]
"""Writes drafts; returns for each why it was not kept, ``None`` for what was. With True, somebody
waits: the store is asked even if it failed just now, and its own error is raised."""

_encoder = msgspec.msgpack.Encoder()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A draft in the queue; ``ended`` is set for a caller who waits for it."""

    execution_id: str
    data: bytes
    ended: asyncio.Future[None] | None


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
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._taken = 0
        self._ended = 0
        self._batch_ended = asyncio.Event()
        self._awake = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def put(
        self,
        execution_id: str,
        draft: Mapping[str, Any],
        ended: asyncio.Future[None] | None = None,
    ) -> bool:
        """Queue a draft; returns whether there was room for it."""
        try:
            data = _encoder.encode(draft)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return self._drop(execution_id, "not plain data")
        with self._lock:
            refusal = self._refusal(len(data))
            if refusal is None:
                self._waiting.append(_Waiting(execution_id, data, ended))
                self._taken += 1
                self._bytes += len(data)
                sleeping, self._awake = not self._awake, True
        if refusal is not None:
            return self._drop(execution_id, refusal)
        return self._wake() if sleeping else True

    async def put_and_wait(self, execution_id: str, draft: Mapping[str, Any]) -> None:
        """Queue a draft and wait until it is written; raises what kept it from being kept."""
        ended = asyncio.get_running_loop().create_future()
        if not self.put(execution_id, draft, ended):
            raise BackendUnavailable("executions", "track", "too many wait to be written")
        self._begin()
        self._hurry.set()
        await ended

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped."""
        asked = self._taken
        while self._ended < asked:
            self._begin()
            self._hurry.set()
            batch_ended = self._batch_ended
            await batch_ended.wait()

    def close(self) -> None:
        """Drop what waits, and whatever comes later."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        with contextlib.suppress(RuntimeError):  # a home loop that has ended wakes nobody
            self._end(
                left, [FabricClosedError("this fabric is closed: make a new one")] * len(left)
            )

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
            self._task = in_background(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), _PAUSE)
        self._hurry.clear()
        while batch := self._take():
            faults: Sequence[BaseException | None] = [asyncio.CancelledError()] * len(batch)
            is_waited = any(one.ended is not None for one in batch)
            try:
                faults = await self._keep([one.data for one in batch], is_waited)
            except Exception as error:  # noqa: BLE001 - the write-behind seam: a fault is a drop
                faults = [error] * len(batch)
            finally:
                self._end(batch, faults)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].data)
            self._bytes -= size
            self._awake = bool(batch)
        return batch

    def _end(self, batch: Sequence[_Waiting], faults: Sequence[BaseException | None]) -> None:
        """Tell how each ended, and let those go on who wait."""
        for one, fault in zip(batch, faults, strict=True):
            if one.ended is not None and not one.ended.done():
                if fault is None:
                    one.ended.set_result(None)
                else:
                    one.ended.set_exception(fault)
            self._told(one.execution_id, None if fault is None else _reason(fault))
        self._ended += len(batch)
        done, self._batch_ended = self._batch_ended, asyncio.Event()
        done.set()

    def _drop(self, execution_id: str, reason: str) -> bool:
        self._told(execution_id, reason)
        return False


def _reason(fault: BaseException) -> str:
    if isinstance(fault, ValidationError):
        return f"{fault.field} cannot be kept"
    names: dict[type[BaseException], str] = {
        asyncio.CancelledError: "cancelled",
        FabricClosedError: "closed",
    }
    return names.get(type(fault), type(fault).__name__)
