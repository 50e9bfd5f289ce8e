"""The home loop of a fabric, and the doors to it from threads and from other loops.

Clients and locks of asyncio belong to the loop that first used them, and an LLM cache is called
from many: notebooks, ``batch`` thread pools, one ``asyncio.run`` after another. So everything that
does I/O runs on exactly one loop that the fabric owns: a private daemon thread started at first
use, or, under ``async with fabric``, the loop that is running there (no hop then).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from cache_fabric.errors import FabricClosedError, SyncCallOnIOLoopError

__all__ = ["Portal"]

T = TypeVar("T")
_PATIENCE = 1.0
Call = Callable[[], Coroutine[Any, Any, T]]


class Portal:
    """Runs coroutines on the home loop. Takes functions that make them, so none is left unawaited.

    After a fork the child has no thread to run the loop; make a new portal there.
    """

    def __init__(self, name: str = "cache-fabric") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def adopt(self) -> None:
        """Make the running loop the home loop, unless there is one already."""
        with self._lock:
            if self._loop is None and not self._closed:
                self._loop = asyncio.get_running_loop()

    async def run(self, call: Call[T]) -> T:
        """Await the call on the home loop; cancelling the caller cancels the call."""
        loop = self._home()
        if loop is asyncio.get_running_loop():
            return await call()
        return await asyncio.wrap_future(self._submit(loop, call))

    def call(self, call: Call[T]) -> T:
        """Block until the call is done on the home loop.

        Raises:
            SyncCallOnIOLoopError: Called on the home loop itself, which would wait for itself; or
                from another thread while an adopted loop is blocked, perhaps by who waits for us.
        """
        loop = self._home()
        if loop is _running_loop():
            raise SyncCallOnIOLoopError(
                "a blocking method was called on the fabric's own event loop: await the method of "
                "the fabric instead of fabric.sync, or do not adopt the loop with 'async with'"
            )
        if self._thread is None and not _turns(loop):
            raise SyncCallOnIOLoopError(
                f"the event loop that the fabric has adopted did not turn for {_PATIENCE:g} s: a "
                "blocking call on it may be waiting for this thread; await there instead"
            )
        future = self._submit(loop, call)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, function: Callable[..., object], *args: object) -> None:
        """Run a plain function on the home loop soon, without waiting for it."""
        loop = self._home()
        if loop is _running_loop():
            function(*args)
        else:
            loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """Refuse further calls, and end the private thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join()

    @property
    def has_thread(self) -> bool:
        """True while the home loop runs in the private thread."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def _home(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise FabricClosedError("this fabric is closed: make a new one")
        if self._loop is None:
            self._start()
        loop = self._loop
        assert loop is not None
        if loop.is_closed():
            raise FabricClosedError("the event loop that this fabric adopted has been closed")
        return loop

    def _start(self) -> None:
        with self._lock:
            if self._loop is not None:
                return
            loop = asyncio.new_event_loop()
            ready = threading.Event()
            self._thread = threading.Thread(
                target=_serve, args=(loop, ready), name=self._name, daemon=True
            )
            self._thread.start()
            ready.wait()
            self._loop = loop

    @staticmethod
    def _submit(loop: asyncio.AbstractEventLoop, call: Call[T]) -> Future[T]:
        async def started() -> T:
            return await call()

        coroutine = started()
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:
            coroutine.close()
            raise FabricClosedError("this fabric was closed during the call") from error


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _turns(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop that others run gets round to what it is given."""
    turned = threading.Event()
    loop.call_soon_threadsafe(turned.set)
    return turned.wait(_PATIENCE)


def _serve(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(ready.set)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
