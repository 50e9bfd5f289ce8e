"""A thread for what a garbage collection finds to be done.

A finalizer runs in the middle of whatever its thread does, inside any lock: it must take none. It
leaves a note here, and the thread acts on it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

__all__ = ["Departures"]

_log = logging.getLogger("cache_fabric")


class Departures:
    """Notes of one place, acted on in their order; the thread is a daemon.

    Args:
        delay: Seconds between a note and its act.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self._notes: queue.SimpleQueue[tuple[float, Callable[[], object]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def get_ready(self) -> None:
        """Start the thread, unless it runs; not for a finalizer."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                name = "cache-fabric-departures"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def note(self, act: Callable[[], object]) -> None:
        """Have something done soon; safe inside a garbage collection."""
        self._notes.put((time.monotonic() + self._delay, act))

    def _run(self) -> None:
        while True:
            due, act = self._notes.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                act()
            except Exception as error:  # noqa: BLE001 - nobody is there to hear of it
                _log.warning("a call that was left was not given up: %s", type(error).__name__)
            del act
