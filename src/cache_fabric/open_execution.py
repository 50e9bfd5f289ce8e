"""A run that tells of itself while it goes on: started, step by step, finished."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from cache_fabric.errors import ValidationError
from cache_fabric.execution_draft import with_answers
from cache_fabric.execution_form import MOST_STEPS
from cache_fabric.provenance import provenance
from cache_fabric.records import ContextEntry
from cache_fabric.types import LookupResult

__all__ = ["OpenExecution", "started"]

_WHOSE = ("execution_id", "run", "tenant", "user")


class OpenExecution:
    """One run; its methods wait for nothing, take any thread, and are the same in both colours.

    What it tells is queued and written behind, as by `CacheFabric.track_soon`: a fault is a counted
    drop and a gap in the steps, never an error. Until it has finished the run is found with status
    ``running``, also after a crash. As a context manager it finishes at the end of the block, with
    status ``error`` for an exception, which goes on.

    Args:
        put: Queues what is told of a run.
        fields: Of the run, with the state that `started` returns.

    Attributes:
        execution_id: Of the run.
    """

    def __init__(
        self, put: Callable[[str, Mapping[str, Any]], bool], fields: dict[str, Any]
    ) -> None:
        self.execution_id: str = fields["execution_id"]
        self._put = put
        self._fields = {**fields, "run": secrets.token_hex(4)}
        self._clock = time.monotonic()
        # A thread may take it twice: a garbage collection inside may end something of this run.
        self._lock = threading.RLock()
        self._places = 0
        self._finished = False
        self._put(self.execution_id, self._fields)

    def step(
        self,
        kind: str,
        name: str,
        *,
        input: Any = None,  # noqa: A002 - the word of the record
        output: Any = None,
        seconds: float | None = None,
        cache: LookupResult | Mapping[str, Any] | None = None,
        **attributes: Any,
    ) -> bool:
        """Append a step; returns whether it was queued.

        Args:
            kind: ``model``, ``tool`` or what it was.
            name: Of the model, the tool, the node.
            input, output: Plain data; a step of over 64 KiB is kept without them, and a step beyond
                the 10,000th not at all; both say so.
            seconds: What it took.
            cache: The result of the lookup for it, or `provenance` of it.
            **attributes: What else there is to say, as plain data. ``None`` is left out.
        """
        given = {"input": input, "output": output, "seconds": seconds, **attributes}
        given["cache"] = provenance(cache) if isinstance(cache, LookupResult) else cache
        step = {field: value for field, value in given.items() if value is not None}
        with self._lock:
            place = self._places
            if self._finished or place >= MOST_STEPS:
                return False
            self._places += 1
            event = {
                **{field: self._fields[field] for field in _WHOSE},
                "place": place,
                "step": {"kind": kind, "name": name, **step},
                "at": time.time(),
            }
            return self._put(self.execution_id, event)

    def finish(
        self,
        output: Any = None,
        status: str = "success",
        error: BaseException | Mapping[str, Any] | str | None = None,
        *,
        answers: Iterable[LookupResult | str | None] = (),
        **state: Any,
    ) -> bool:
        """End the run; returns whether that was queued. Only the first end counts.

        Args:
            output: What came of it.
            status: How it ended.
            error: What went wrong.
            answers: What it was given and no step says: as of `CacheFabric.track_execution`.
            **state: What else the state holds: ``tokens``, ``cost`` ...
        """
        ended = {
            "status": status,
            "seconds": time.monotonic() - self._clock,
            "output": output,
            "error": _told(error),
        }
        whole: Mapping[str, Any] = {**self._fields["state"], **ended, **state}
        # The end is worth more than what it says of its answers.
        with contextlib.suppress(ValidationError, AttributeError, TypeError):
            whole = with_answers(whole, answers)
        with self._lock:
            if self._finished:
                return False
            self._finished = True
            fields = {**self._fields, "state": whole, "events": self._places}
            return self._put(self.execution_id, fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        elif isinstance(error, Exception):
            self.finish(status="error", error=error)
        else:
            self.finish(status="cancelled", error=error)


def started(
    input: Any,  # noqa: A002
    agent: str | None,
    conversation: str | None,
    contexts: Iterable[Any],
) -> dict[str, Any]:
    """Return the state of a run that has just begun."""
    return {
        "status": "running",
        "started": time.time(),
        "input": input,
        "agent": agent,
        "conversation": conversation,
        "contexts": [_context(one) for one in contexts],
    }


def _context(said: Any) -> Any:
    if not isinstance(said, ContextEntry):
        return said
    return {"key": said.key, "version": said.version, "behaviour": said.behaviour}


def _told(error: BaseException | Mapping[str, Any] | str | None) -> Any:
    if not isinstance(error, BaseException):
        return error
    return {"type": type(error).__name__, "message": str(error)}
