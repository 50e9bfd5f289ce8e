"""Datasets: JSON lines of what was asked and what would have been right, from judged runs.

One pass over the feedback, newest first, a page at a time: a run has its place where its newest
feedback has it, so that nothing has to be remembered of those that were seen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from cache_fabric.dataset_rows import Skipped, example, line, verdict_of
from cache_fabric.errors import CodecError, ValidationError
from cache_fabric.executions import Executions
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.line_files import Progress, write_lines
from cache_fabric.records import Execution, Feedback
from cache_fabric.stores.documents import Query
from cache_fabric.version_records import DatasetSummary

__all__ = ["DatasetPage", "Datasets", "Wanted", "write"]

_PAGE = 200
_MOST_FEEDBACK = 200  # newest feedbacks of a run that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs become examples; ``verdict`` is what their feedback comes to, bad wins."""

    graph: str | None = None
    context: str | None = None
    tenant: str | None = None
    verdict: str | None = None

    def __post_init__(self) -> None:
        if self.verdict not in (None, "good", "bad"):
            raise ValidationError("verdict", f"expected good or bad, got {self.verdict!r:.40}")

    def query(self) -> Query:
        """Return what finds their feedback."""
        named = (("graph", self.graph), ("context", self.context), ("tenant", self.tenant))
        return Query(terms=frozenset((name, value) for name, value in named if value is not None))

    def fits(self, feedback: Feedback) -> bool:
        """Return whether a feedback is one that the query finds."""
        names = {name for key, version in feedback.contexts for name in (key, f"{key}@{version}")}
        return (
            self.graph in (None, feedback.graph)
            and self.tenant in (None, feedback.tenant)
            and (self.context is None or self.context in names)
        )


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """Some examples.

    Attributes:
        lines: Each with its newline.
        splits, skipped: How many went where, and why others did not.
        looked_at: Feedbacks that were read.
        cursor: Where to go on.
    """

    lines: Sequence[bytes]
    splits: Counter[str]
    skipped: Counter[str]
    looked_at: int
    cursor: str | None


class Datasets:
    """Reads examples; lives on the home loop.

    Args:
        feedback: What was said.
        executions: What it was said of.
    """

    def __init__(self, feedback: KeptFeedback, executions: Executions) -> None:
        self._feedback = feedback
        self._executions = executions

    async def count(self, wanted: Wanted) -> int:
        """Return how many feedbacks there are to read."""
        return await self._feedback.count(wanted.query())

    async def page(
        self, wanted: Wanted, split: Mapping[str, float], cursor: str | None
    ) -> DatasetPage:
        """Return the next examples."""
        found = await self._feedback.find(wanted.query(), _PAGE, cursor)
        lines: list[bytes] = []
        splits: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for one in found:
            given = await self._feedback.newest(one.execution_id, _MOST_FEEDBACK)
            if not _stands_here(one, given, wanted):
                continue
            try:
                row = example(await self._execution(one.execution_id), given, split)
            except Skipped as reason:
                skipped[str(reason)] += 1
            else:
                lines.append(line(row))
                splits[row["split"]] += 1
        return DatasetPage(lines, splits, skipped, len(found), found.cursor)

    async def _execution(self, execution_id: str) -> Execution | None:
        with contextlib.suppress(CodecError):
            return await self._executions.get(execution_id)
        return None


async def write(
    file: IO[Any],
    next_page: Callable[[str | None], Awaitable[DatasetPage]],
    total: int,
    progress: Progress | None,
) -> DatasetSummary:
    """Write page after page; the file is never waited for on a loop."""
    splits: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    cursor: str | None = None
    done = 0
    while True:
        page = await next_page(cursor)
        await asyncio.to_thread(write_lines, file, page.lines)
        splits.update(page.splits)
        skipped.update(page.skipped)
        done, cursor = done + page.looked_at, page.cursor
        if progress is not None:
            progress(done, total)
        if cursor is None:
            return DatasetSummary(rows=splits.total(), splits=dict(splits), skipped=dict(skipped))


def _stands_here(one: Feedback, given: list[Feedback], wanted: Wanted) -> bool:
    """Return whether a run has its place at this feedback, and is wanted."""
    newest = next((feedback for feedback in given if wanted.fits(feedback)), None)
    is_place = newest is not None and newest.id == one.id
    return is_place and wanted.verdict in (None, verdict_of(given))
