"""Executions in a file and back: one JSON object a line, loss-free, with the feedback they got.

::

    {"format": "cache-fabric/execution/1", "execution_id", "graph_name", "state", "at", "tags",
     "tenant", "user", "run", "events", "steps": [[place, step]], "feedback": [...]}

``at`` is seconds since the epoch. What is at its default is left out. The lines name no blob, no
hash and no secret, so they can be read into any fabric.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, TypeAlias

import msgspec

from cache_fabric.errors import ValidationError
from cache_fabric.execution_draft import checked, checked_names
from cache_fabric.execution_form import MOST_STEPS, Body
from cache_fabric.execution_terms import Sought
from cache_fabric.executions import Executions
from cache_fabric.line_files import Place, Progress, count_lines, opened, write_lines
from cache_fabric.records import Feedback
from cache_fabric.validation import check_json

__all__ = ["ExecutionFiles"]

_FORMAT = "cache-fabric/execution/1"
_LINES = 100  # read at once
_Time: TypeAlias = Annotated[
    float, msgspec.Meta(ge=0, lt=253_402_300_800)
]  # to the end of year 9999
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_STEPS)]


class _Line(Body, kw_only=True, omit_defaults=True):
    """A run with its feedback, as a line holds it; of bounds that its reader can rely on."""

    format: str
    at: _Time
    events: _Count | None = None
    steps: list[tuple[_Count, dict[str, Any]]] = msgspec.field(default_factory=list)
    feedback: list[Feedback] = msgspec.field(default_factory=list)


class ExecutionFiles:
    """Writes and reads the runs of one namespace; lives on the home loop."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    async def write(self, place: Place, sought: Sought, progress: Progress | None) -> int:
        """Write all runs that match, newest first; returns how many.

        Raises:
            OSError: The file cannot be written.
            BackendError: The store failed; what was written until then stays.
        """
        total = await self._executions.count(sought.query())
        done = 0
        with opened(place, "wb") as file:
            async for bodies in self._executions.pages(sought):
                feedback = await self._executions.feedback_among(bodies)
                lines = [_line_of(body, feedback.get(body.execution_id, ())) for body in bodies]
                await asyncio.to_thread(write_lines, file, lines)
                done += len(bodies)
                if progress is not None:
                    progress(done, max(total, done))
        return done

    async def read(self, place: Place, progress: Progress | None) -> int:
        """Keep all runs of a file, in place of those of the same ids; returns how many.

        Raises:
            ValidationError: A line is not one of ours: its number and field. Those before it are
                kept.
            OSError: The file cannot be read.
            BackendError: The store failed; what was kept until then stays, and the file can be
                read again.
        """
        total = await asyncio.to_thread(count_lines, place)
        done = 0
        with opened(place, "rb") as file:
            while batch := await asyncio.to_thread(list, islice(file, _LINES)):
                await self._take(batch, done)
                done += len(batch)
                if progress is not None:
                    progress(done, max(total, done))
        return done

    async def _take(self, batch: Sequence[bytes | str], before: int) -> None:
        bodies: list[Body] = []
        feedback: list[Feedback] = []
        fault: ValidationError | None = None
        for number, text in enumerate(batch, before + 1):
            try:
                body, said = _read(text)
            except ValidationError as error:
                fault = ValidationError(f"line {number}, {error.field}", error.expected)
                break
            bodies.append(body)
            feedback += said
        await self._executions.put(bodies)
        await self._executions.put_feedback(feedback)
        if fault is not None:
            raise fault


def _line_of(body: Body, feedback: Sequence[Feedback]) -> bytes:
    fields = msgspec.structs.asdict(body) | {"asked": None}
    line = _Line(format=_FORMAT, feedback=list(feedback), **fields)
    return msgspec.json.encode(line) + b"\n"


def _read(text: bytes | str) -> tuple[Body, list[Feedback]]:
    try:
        line = msgspec.json.decode(text, type=_Line)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$.")
        raise ValidationError(path.rstrip("`") or "object", said) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValidationError("object", "expected a JSON object") from error
    if line.format != _FORMAT:
        raise ValidationError("format", f"expected {_FORMAT!r}, got {line.format!r:.60}")
    fields = {name: getattr(line, name) for name in Body.__struct_fields__}
    checked(checked_names(fields))
    check_json([step for _, step in line.steps], "steps")
    return Body(**{**fields, "asked": None}), line.feedback
