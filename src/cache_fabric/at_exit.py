"""Runs a function when the interpreter ends, while threads can still work.

A script that never closes its fabric must not lose what waits to be written. ``atexit`` comes too
late for that: by then the thread pools of ``concurrent.futures`` refuse work. They end themselves
by ``threading``'s own exit hooks, which run last in, first out; so this uses the same hooks, and
``atexit`` where a Python has them no longer.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - registers its hook before ours, so it runs after
import threading
import weakref
from collections.abc import Callable

__all__ = ["run_at_exit"]


def run_at_exit(method: Callable[[], None]) -> None:
    """Call a bound method at the end, unless its object is gone by then."""
    reference = weakref.WeakMethod(method)

    def run() -> None:
        alive = reference()
        if alive is not None:
            alive()

    getattr(threading, "_register_atexit", atexit.register)(run)
