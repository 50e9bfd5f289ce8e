"""Feedback written out, one JSON object a line."""

from __future__ import annotations

import asyncio

import msgspec

from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.line_files import Place, Progress, opened, write_lines
from cache_fabric.stores.documents import Query

__all__ = ["export"]


async def export(kept: KeptFeedback, query: Query, place: Place, progress: Progress | None) -> int:
    """Write what matches, newest first, with the fields of `Feedback`; returns how many lines.

    Raises:
        OSError: The file cannot be written.
        BackendError: The store failed; what was written until then stays.
    """
    total, done = await kept.count(query), 0
    with opened(place, "wb") as file:
        async for page in kept.pages(query):
            lines = [msgspec.json.encode(feedback) + b"\n" for feedback in page]
            await asyncio.to_thread(write_lines, file, lines)
            done += len(page)
            if progress is not None:
                progress(done, max(total, done))
    return done
