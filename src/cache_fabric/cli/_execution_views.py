"""Executions as people read them, and as JSON."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import typer
from rich.console import Console

from cache_fabric.cli._context_views import (
    add_row,
    as_text,
    first_line,
    moment,
    new_table,
    show_rows,
)
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import Execution, Feedback

__all__ = ["follow", "plain", "show_execution", "show_executions", "show_feedback"]

_COLUMNS = ("id", "graph", "status", "time", "seconds", "cost", "cache", "tags", "input")
_POLL = 1.0
_EVER = datetime.fromtimestamp(0, UTC)
_LATE = timedelta(seconds=60)
"""How long after its time a run may still be on its way to the store."""
_LONGEST = timedelta(hours=1)
"""How long the end of one that goes on is waited for."""
_States: TypeAlias = dict[str, tuple[datetime, str | None]]
"""Time and status of executions, by id."""


def plain(execution: Execution) -> dict[str, Any]:
    """Return an execution as JSON data."""
    shown = {name: execution[name] for name in execution.keys()}  # noqa: SIM118 - no mapping
    return {
        **shown,
        "timestamp": execution.timestamp.isoformat(),
        "feedback": [dataclasses.asdict(one) for one in execution.feedback],
    }


def show_executions(executions: Sequence[Execution]) -> None:
    """Print executions, a row each."""
    show_rows((*_COLUMNS, "near"), [(*_cells(e), _similarity(e)) for e in executions])


def show_feedback(feedback: Sequence[Feedback]) -> None:
    """Print feedback, a row each."""
    columns = ("time", "execution", "verdict", "score", "by", "effects", "comment")
    show_rows(columns, [_feedback_cells(one) for one in feedback])


def show_execution(execution: Execution) -> None:
    """Print all of one execution: its fields, its steps, its feedback."""
    console = Console()
    table = new_table("field", "value")
    for name, value in _fields(execution).items():
        if value not in (None, "", (), [], {}):
            add_row(table, name, as_text(value))
    console.print(table)
    if execution.steps:
        steps = new_table("step", "kind", "name", "seconds", "cache", "input", "output")
        for number, step in enumerate(execution.steps):
            add_row(steps, number, *_step_cells(step))
        console.print(steps)
    if execution.feedback:
        show_feedback(execution.feedback)


async def follow(
    fabric: CacheFabric, filters: Mapping[str, Any], last: int, count: int | None, *, as_json: bool
) -> None:
    """Print the last executions and then every new one, and each anew when its status changes."""
    known = await _known(fabric, filters, last)
    fresh = known[-last:] if last else []
    seen = _states(known)
    printed = 0
    while True:
        for execution in fresh:
            typer.echo(_line(execution, as_json=as_json))
            printed += 1
            if printed == count:
                return
        await asyncio.sleep(_POLL)
        since = _looked_at_since(seen, filters)
        seen = {name: (at, status) for name, (at, status) in seen.items() if at >= since}
        found = await _all(fabric, {**filters, "since": since})
        fresh = [e for e in found if seen.get(e.execution_id, (None, ""))[1] != e.status]
        seen.update(_states(fresh))


async def _known(fabric: CacheFabric, filters: Mapping[str, Any], last: int) -> list[Execution]:
    """Return the last executions, and all others that are no news when they are seen again."""
    page = await fabric.search_executions(**filters, limit=max(last, 1))
    since = _looked_at_since(_states(page), filters)
    again = await _all(fabric, {**filters, "since": since})
    return [*(e for e in page[::-1] if e.timestamp < since), *again]


def _states(executions: Iterable[Execution]) -> _States:
    return {e.execution_id: (e.timestamp, e.status) for e in executions}


def _looked_at_since(seen: _States, filters: Mapping[str, Any]) -> datetime:
    """Return from when on executions may be new or may have changed."""
    least: datetime = filters.get("since", _EVER)
    newest = max((at for at, _ in seen.values()), default=None)
    if newest is None:
        return least
    begin = newest - _LONGEST
    going_on = [at for at, status in seen.values() if status == "running" and at >= begin]
    return max(least, min([newest - _LATE, *going_on]))


async def _all(fabric: CacheFabric, filters: Mapping[str, Any]) -> list[Execution]:
    """Return all that match, oldest first."""
    found: list[Execution] = []
    cursor: str | None = None
    while True:
        page = await fabric.search_executions(**filters, cursor=cursor, limit=500)
        found += page
        cursor = page.cursor
        if cursor is None:
            return found[::-1]


def _line(execution: Execution, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(plain(execution), ensure_ascii=False)
    name, graph, status, time, seconds, cost, cache, tags, given = map(
        first_line, _cells(execution)
    )
    told = [f"{seconds} s" if seconds else "", f"${cost}" if cost else "", cache, tags, given]
    return "  ".join(part for part in (time, name, graph, status, *told) if part)


def _cells(execution: Execution) -> tuple[str, ...]:
    return (
        execution.execution_id,
        execution.graph_name,
        execution.status or "",
        moment(execution.timestamp),
        _seconds(execution),
        "" if execution.cost is None else f"{execution.cost:.6g}",
        _outcomes(execution),
        ", ".join(execution.tags),
        first_line(execution.question or execution.input or ""),
    )


def _seconds(execution: Execution) -> str:
    seconds = execution.number("seconds")
    return "" if seconds is None else f"{seconds:.3g}"


def _similarity(execution: Execution) -> str:
    return "" if execution.similarity is None else f"{execution.similarity:.2f}"


def _outcomes(execution: Execution) -> str:
    counts = Counter(served.outcome for served in execution.answers)
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.items())


def _fields(execution: Execution) -> dict[str, Any]:
    return {
        "id": execution.execution_id,
        "graph": execution.graph_name,
        "status": execution.status,
        "time": moment(execution.timestamp),
        "complete": "" if execution.complete else "no",
        "gaps": ", ".join(map(str, execution.gaps)),
        "agent": execution.agent,
        "conversation": execution.conversation,
        "tenant": execution.tenant,
        "user": execution.user,
        "tags": ", ".join(execution.tags),
        "contexts": ", ".join(_context(key, version) for key, version in execution.contexts),
        "seconds": _seconds(execution),
        "tokens": execution.tokens,
        "cost": execution.cost,
        "answers": "\n".join(f"{s.outcome} {s.tier or ''} {s.entry_id}" for s in execution.answers),
        "input": execution.input,
        "output": execution.output,
        "error": execution.error,
    }


def _context(key: str, version: int | None) -> str:
    return key if version is None else f"{key}@{version}"


def _feedback_cells(feedback: Feedback) -> tuple[str, ...]:
    return (
        moment(feedback.timestamp),
        feedback.execution_id,
        feedback.verdict or "",
        "" if feedback.score is None else f"{feedback.score:.2f}",
        " ".join(filter(None, (feedback.annotator, feedback.annotator_id))),
        ", ".join(dict.fromkeys(effect.action for effect in feedback.effects)),
        first_line(feedback.comment or feedback.label or ""),
    )


def _step_cells(step: Any) -> tuple[str, ...]:
    if not isinstance(step, Mapping):
        return ("", first_line(step), "", "", "", "")
    cache = step.get("cache")
    told = cache.get("outcome", "") if isinstance(cache, Mapping) else ""
    values = (step.get("kind"), step.get("name"), step.get("seconds"), told)
    bodies = (step.get("input"), step.get("output"))
    return (
        *("" if value is None else str(value) for value in values),
        *("" if body is None else first_line(body) for body in bodies),
    )
