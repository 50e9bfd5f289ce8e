"""The runs that one process tracks: on their way to the store, found again, kept within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from cache_fabric.config import FabricConfig
from cache_fabric.errors import ValidationError
from cache_fabric.execution_files import ExecutionFiles
from cache_fabric.execution_questions import ExecutionQuestions
from cache_fabric.execution_queue import ExecutionQueue
from cache_fabric.execution_terms import Sought
from cache_fabric.executions import Executions
from cache_fabric.instrumentation.events import ExecutionEvent
from cache_fabric.instrumentation.hooks import Tell
from cache_fabric.instrumentation.run_events import event_of_draft, said_in_draft
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.line_files import Place, Progress
from cache_fabric.part import Part
from cache_fabric.records import Execution, Page
from cache_fabric.retention import Retention
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.stores.base import Durability, Store

__all__ = ["Tracking"]


class Tracking:
    """Lives on the home loop, but for `put`.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        semantic: Finds runs by meaning.
        feedback: What was said of runs.
        config: Limits and budgets.
        indexed: Whether the fabric looks for anything by meaning.
        post: Runs a function on the home loop soon.
        tell: Hears what is told of runs, and how each was written.

    Attributes:
        wrote_at: When a run was written last, in seconds since the epoch.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        semantic: SemanticTier,
        feedback: KeptFeedback,
        config: FabricConfig,
        *,
        indexed: bool,
        post: Callable[[Callable[[], None]], object],
        tell: Tell,
    ) -> None:
        self.wrote_at: float | None = None
        self._records = records
        self._tell = tell
        self._questions = ExecutionQuestions(semantic, config, indexed=indexed, lost=self._lost)
        self.executions = Executions(store, records.documents, self._questions, feedback, config)
        self.files = ExecutionFiles(self.executions)
        self.retention = Retention(self.executions, config)
        self.queue = ExecutionQueue(
            self.executions.keep,
            post,
            self._ended,
            max_entries=config.queue_entries,
            max_bytes=config.queue_bytes,
        )

    def put(self, execution_id: str, fields: Mapping[str, Any]) -> bool:
        """Queue what is told of a run, from any thread; returns whether there was room for it."""
        queued = self.queue.put(execution_id, fields)
        if queued:  # so it is plain data
            self._tell(event_of_draft(fields), lambda: said_in_draft(fields))
        return queued

    async def put_durably(self, execution_id: str, fields: Mapping[str, Any]) -> Durability:
        """Wait until a run is written, and return what that survives."""
        await self.queue.put_and_wait(execution_id, fields)
        self._tell(event_of_draft(fields), lambda: said_in_draft(fields))
        return self._records.durability

    async def get(self, execution_id: str) -> Execution | None:
        """Return a run, also one that was handed in just now."""
        await self.queue.write_now()
        return await self.executions.get(execution_id)

    async def search(
        self, sought: Sought, like: str | None, limit: int, cursor: str | None
    ) -> Page[Execution]:
        """Return runs, also those that were handed in just now."""
        await self.queue.write_now()
        if like is None:
            return await self.executions.search(sought, limit, cursor)
        if cursor is not None:
            raise ValidationError("cursor", "expected none with like: there is one page of these")
        return await self.executions.search_like(like, sought, limit)

    async def export(
        self, place: Place, filters: Mapping[str, Any], progress: Progress | None
    ) -> int:
        """Write runs to a file, also those that were handed in just now."""
        await self.queue.write_now()
        return await self.files.write(place, Sought(**filters), progress)

    async def reindex(self) -> None:
        """Queue every question for the index anew."""
        await self.queue.write_now()
        await self.executions.reindex()

    async def write_now(self) -> bool:
        """Have what was handed in so far tried now; returns whether nothing waits any more."""
        written = await self.queue.write_now()
        await self._questions.flush()
        return written

    async def flush(self) -> None:
        """Wait until all that was handed in so far has been written or dropped."""
        await self.queue.flush()
        await self._questions.flush()

    async def stop(self) -> None:
        """Drop what waits, and end what goes on in the background; idempotent."""
        self.queue.close()
        await self.retention.stop()

    def _lost(self, execution_id: str, reason: str) -> None:
        self._tell(ExecutionEvent(outcome="unindexed", execution_id=execution_id, reason=reason))

    def _ended(self, execution_id: str, reason: str | None) -> None:
        if reason is None:
            self.wrote_at = time.time()
            self.retention.wrote()
            self._tell(ExecutionEvent(outcome="kept", execution_id=execution_id))
        else:
            self._tell(ExecutionEvent(outcome="dropped", execution_id=execution_id, reason=reason))
