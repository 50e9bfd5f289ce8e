"""Executions on their way to the store: a caller hands one over and goes on.

A run is encoded at once, so that what waits is shared with nobody and its bound counts true bytes.
One task on the home loop writes it, in batches and in the order of their coming: it waits a moment
before each, so that runs in a row do not change threads with it at every turn. Where the store is
away, what was not written goes on waiting, and is tried again with growing pauses in the same
order. Above the bound, after the fabric was closed, and where the store fails otherwise, a run is
dropped and told of, never waited for; but for one whose caller asked to wait, who hears the
store's own error.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cache_fabric.background import in_background
from cache_fabric.backoff import pause
from cache_fabric.errors import BackendUnavailable, FabricClosedError, ValidationError
from cache_fabric.part import Degraded, is_away

__all__ = ["ExecutionQueue", "Keep"]

_PAUSE = 0.05
_LONGEST_PAUSE = 1.0  # seconds; a broken store is asked once a second as well
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
        self._writing: list[_Waiting] = []
        self._bytes = 0  # of all that is not written, as the bounds count
        self._failures = 0
        self._flushing = 0
        self._is_asked = False
        self._timer: asyncio.TimerHandle | None = None
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
        self._hasten()
        await ended

    async def write_now(self) -> bool:
        """Have what is queued so far tried now, for who reads afterwards.

        Returns whether it has been written or dropped; what found the store away goes on waiting.
        """
        asked = self._taken
        while self._ended < asked:
            self._hasten()
            batch_ended = self._batch_ended
            await batch_ended.wait()
            if self._timer is not None:
                return False
        return True

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped: it is tried now."""
        asked = self._taken
        self._flushing += 1
        try:
            while self._ended < asked:
                await self.write_now()
        finally:
            self._flushing -= 1

    def close(self) -> None:
        """Drop what waits, and whatever comes later."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._bytes -= _size(left)
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        with contextlib.suppress(RuntimeError):  # a home loop that has ended wakes nobody
            self._end(
                left, [FabricClosedError("this fabric is closed: make a new one")] * len(left)
            )

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    def _refusal(self, size: int) -> str | None:
        if self._closed:
            return "closed"
        full = len(self) >= self._max_entries or self._bytes + size > self._max_bytes
        return "queue full" if full else None

    def _wake(self) -> bool:
        try:
            self._post(self._begin)
        except (FabricClosedError, RuntimeError):  # the home loop has ended
            self.close()
            return False
        return True

    def _hasten(self) -> None:
        """Have what waits written now, for somebody who waits for it."""
        self._is_asked = True
        self._begin()
        self._hurry.set()

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = in_background(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), _PAUSE)
        self._hurry.clear()
        while batch := self._take():
            faults: Sequence[BaseException | None] = [asyncio.CancelledError()] * len(batch)
            is_waited = self._is_asked or any(one.ended is not None for one in batch)
            self._is_asked = False
            try:
                faults = await self._keep([one.data for one in batch], is_waited)
            except Exception as error:  # noqa: BLE001 - the write-behind seam: a fault is a drop
                if is_away(error) and not self._flushing and not self._closed:
                    batch, faults = self._put_back(error)
                    return
                faults = [error] * len(batch)
            finally:
                with self._lock:
                    self._bytes -= _size(batch)
                    self._writing = []
                self._end(batch, faults)
            self._failures = 0

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].data)
            self._writing = batch
            self._awake = bool(batch)
        return batch

    def _put_back(self, error: Exception) -> tuple[list[_Waiting], list[BaseException]]:
        """Keep what nobody waits for before all others, and try again after a pause.

        Returns those that somebody waits for, wherever they stood, and what they are told.
        """
        with self._lock:
            whole = [*self._writing, *self._waiting]
            self._waiting = deque(one for one in whole if one.ended is None)
            self._writing = [one for one in whole if one.ended is not None]
            ended = self._writing
        self._failures += 1
        seconds = pause(self._failures, _LONGEST_PAUSE)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)
        return ended, [_own(error)] * len(ended)

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


def _size(items: Iterable[_Waiting]) -> int:
    return sum(len(one.data) for one in items)


def _own(error: Exception) -> BaseException:
    """Return what the store itself said, for who waits for it."""
    if not isinstance(error, Degraded):
        return error
    return error.__cause__ or BackendUnavailable("executions", "track", error.reason)


def _reason(fault: BaseException) -> str:
    if isinstance(fault, ValidationError):
        return f"{fault.field} cannot be kept"
    names: dict[type[BaseException], str] = {
        asyncio.CancelledError: "cancelled",
        FabricClosedError: "closed",
    }
    return names.get(type(fault), type(fault).__name__)
