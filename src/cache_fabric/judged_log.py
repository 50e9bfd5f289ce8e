"""Keeps what labels showed in a file that ``cache-fabric tune`` reads.

One `Judged` record a line, appended in a thread: no request waits for the disk. Where the policy
learns, its own labels are kept; where only a shadow does, the shadow's: at most one line a request.
Several processes may share the file, as a line is appended whole. A file that has reached its bound
becomes ``<name>.1`` in place of the one before it, so that at most twice the bound is kept; should
two processes do so at the same time, the older of the two files is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from pathlib import Path

from cache_fabric.instrumentation.events import Event, LabelEvent, ShadowEvent
from cache_fabric.policy.judged import Judged, dump_judged

__all__ = ["JUDGED_FILE", "JudgedLog"]

JUDGED_FILE = "judged.jsonl"
_MAX_BYTES = 16 * 1024 * 1024
_MOST_WAITING = 10_000
_log = logging.getLogger("cache_fabric")


class JudgedLog:
    """A hook that writes labels down; labels come on the home loop.

    Args:
        file: Is appended to; its folder is made.
        shadow: Whether the labels are those of the shadow policy.
        max_bytes: At which the file is put aside.
    """

    def __init__(self, file: Path, *, shadow: bool, max_bytes: int = _MAX_BYTES) -> None:
        self._file = file
        self._shadow = shadow
        self._max_bytes = max_bytes
        self._waiting: deque[Judged] = deque(maxlen=_MOST_WAITING)
        self._writing: asyncio.Task[None] | None = None
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Take note of a label; every other event is none."""
        record = self._record(event)
        if record is None:
            return
        self._waiting.append(record)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def flush(self) -> None:
        """Wait until every label so far is in the file."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    def _record(self, event: Event) -> Judged | None:
        if isinstance(event, LabelEvent) and not self._shadow:
            weight = event.weight or 1.0
        elif isinstance(event, ShadowEvent) and self._shadow:
            weight = 1.0
        else:
            return None
        if event.right is None or event.similarity is None or event.probability is None:
            return None
        return Judged(
            probability=event.probability,
            similarity=min(1.0, max(-1.0, event.similarity)),
            right=event.right,
            weight=weight,
            at=time.time(),
        )

    async def _write(self) -> None:
        while self._waiting:
            data = "".join(dump_judged(self._waiting)).encode()
            self._waiting.clear()
            try:
                await asyncio.to_thread(self._append, data)
            except OSError as error:
                if not self._failed:
                    _log.warning("judged_log: labels are not kept: %s", error.strerror)
                self._failed = True

    def _append(self, data: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab", buffering=0) as out:
            out.write(data)
            full = out.tell() >= self._max_bytes
        if full:
            self._file.replace(self._file.with_name(self._file.name + ".1"))
