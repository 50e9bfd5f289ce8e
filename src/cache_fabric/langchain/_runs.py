"""The runs that are open: which trace each belongs to, and how many there may be.

One table for a fabric, whichever of its handlers hears an event: one that was given to a call and
one that is installed see the same runs, and so does the handler of a notebook cell that was run
again. An end without a start is passed over; a start without an end is given up, oldest first,
when there are too many.

The lock is one that a thread may take twice: a garbage collection in the middle of an event may
finalize an abandoned stream, and LangChain tells of its end there and then.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._trace import Step, Trace

__all__ = ["Run", "Runs"]

_MOST_TRACES = 4_096
_MOST_RUNS = 65_536
_MOST_STEPS = 500


@dataclass(slots=True, eq=False)
class Run:
    """An open run.

    Attributes:
        step: Its own step; ``None`` for a root chain and for LangChain's own plumbing.
        inner: The step that runs inside it belong to, ``None`` if that is the root.
        is_root: True for the run that is the execution.
    """

    trace: Trace
    step: Step | None
    inner: Step | None
    is_root: bool


class Runs:
    """The open runs of one fabric; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[Any, Run] = {}
        self._traces: OrderedDict[Any, Trace] = OrderedDict()
        self.lost: Counter[str] = Counter()

    @classmethod
    def of(cls, fabric: CacheFabric) -> Runs:
        """Return the table of a fabric."""
        with _making:
            return _tables.setdefault(fabric, cls())

    def open(
        self,
        run_id: Any,
        parent_id: Any,
        make_trace: Callable[[], Trace],
        make_step: Callable[[Trace, Step | None], Step | None],
    ) -> Run | None:
        """Take a run up; ``None`` for one that is known already.

        Args:
            run_id: Of the run.
            parent_id: Of the run around it; where it is not known, this run is a root.
            make_trace: Makes the trace of a root.
            make_step: Makes its step, given the step around it; ``None`` if it leaves none.
        """
        with self._lock:
            if run_id in self._runs:
                return None
            around = self._runs.get(parent_id)
            trace = make_trace() if around is None else around.trace
            inner = None if around is None else around.inner
            step = make_step(trace, inner)
            if step is not None:
                trace.tally.begin(step)
                if len(trace.steps) < _MOST_STEPS:
                    trace.steps.append(step)
                    inner = step
                else:
                    step.is_listed = False
                    trace.dropped += 1
                    self.lost["steps"] += 1
            run = Run(trace, step, inner, is_root=around is None)
            if run.is_root:
                self._traces[run_id] = trace
            trace.runs.add(run_id)
            self._runs[run_id] = run
            return run

    def find(self, run_id: Any) -> Run | None:
        """Return an open run; a plain read."""
        return self._runs.get(run_id)

    def graph_of(self, run_id: Any) -> str | None:
        """Return the graph of the execution that an open run belongs to; a plain read."""
        run = self._runs.get(run_id)
        return None if run is None else run.trace.graph

    def close(self, run_id: Any) -> Run | None:
        """Give a run up that ended, and with a root what is still open inside it."""
        with self._lock:
            run = self._runs.pop(run_id, None)
            if run is not None:
                run.trace.runs.discard(run_id)
                if run.is_root:
                    del self._traces[run_id]
                    self._forget(run.trace)
            return run

    def settle(self, run: Run) -> None:
        """Count what a step that has ended cost or saved."""
        if run.step is not None:
            with self._lock:
                run.trace.tally.end(run.step)

    def overdue(self) -> list[Trace]:
        """Give up the oldest traces beyond the bounds, and return them."""
        given_up: list[Trace] = []
        if len(self._traces) <= _MOST_TRACES and len(self._runs) <= _MOST_RUNS:
            return given_up
        with self._lock:
            while len(self._traces) > _MOST_TRACES or len(self._runs) > _MOST_RUNS:
                _, trace = self._traces.popitem(last=False)
                self._forget(trace)
                self.lost["unfinished"] += 1
                given_up.append(trace)
        return given_up

    def count(self, loss: str) -> None:
        """Count something that could not be followed."""
        with self._lock:
            self.lost[loss] += 1

    def _forget(self, trace: Trace) -> None:
        left, trace.runs = trace.runs, set()
        for run_id in left:
            self._runs.pop(run_id, None)


_making = threading.Lock()
_tables: weakref.WeakKeyDictionary[CacheFabric, Runs] = weakref.WeakKeyDictionary()
