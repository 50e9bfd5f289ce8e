"""Contexts as people read them, and as JSON; stored text can neither style nor steer a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cache_fabric.records import ContextChange, ContextEntry, Resync

__all__ = [
    "add_row",
    "as_text",
    "diff_lines",
    "first_line",
    "harmless",
    "moment",
    "new_table",
    "plain",
    "print_changes",
    "show_diff",
    "show_entries",
    "show_history",
    "show_rows",
    "show_value",
    "written_line",
]

_WIDEST_VALUE = 60
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
# Control characters, and those that reorder or break a line where nobody expects it.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSEEN_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def as_text(value: Any) -> str:
    """Return a text as it is, and any other value as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def plain(record: ContextEntry | ContextChange | Resync) -> dict[str, Any]:
    """Return the fields of a record as JSON data; a `Resync` gets an ``op`` as changes have."""
    shown = {"op": "resync"} if isinstance(record, Resync) else {}
    for name in record.keys():  # noqa: SIM118 - a record is no mapping
        value = record[name]
        if name != "freshness":
            shown[name] = value.isoformat() if isinstance(value, datetime) else value
    return shown


def show_value(value: Any) -> None:
    """Write a value: byte for byte into a file or pipe, made harmless on a terminal."""
    text = as_text(value)
    if sys.stdout.isatty():
        typer.echo(harmless(text, _UNSEEN_IN_LINES), nl=not text.endswith("\n"))
        return
    out = typer.get_binary_stream("stdout")
    out.write(text.encode())
    out.flush()


def show_entries(entries: Sequence[ContextEntry]) -> None:
    """Print current contexts, a row each."""
    table = new_table("key", "scope", "version", "behaviour", "labels", "updated", "value")
    for entry in entries:
        add_row(
            table,
            entry.key,
            entry.scope,
            entry.version,
            entry.behaviour,
            ", ".join(entry.labels),
            moment(entry.timestamp),
            first_line(entry.value),
        )
    Console().print(table)


def show_history(history: Sequence[ContextEntry]) -> None:
    """Print the versions of one context, oldest first."""
    table = new_table("version", "behaviour", "change", "labels", "author", "message", "time")
    for entry in history:
        add_row(
            table,
            entry.version,
            entry.behaviour,
            _change(entry),
            ", ".join(entry.labels),
            entry.author or "",
            entry.message or "",
            moment(entry.timestamp),
        )
    Console().print(table)


def show_diff(diff: str) -> None:
    """Print a unified diff: coloured and harmless on a terminal, else as it is."""
    console = Console()
    if not console.is_terminal:
        show_value(f"{diff}\n")
        return
    for line in diff_lines(diff):
        console.print(line, soft_wrap=True)


def diff_lines(diff: str) -> Iterator[Text]:
    """Yield the lines of a diff, coloured and harmless."""
    for line in diff.split("\n"):
        yield Text(harmless(line, _UNSEEN_IN_LINES), _DIFF_STYLES.get(line[:1], ""))


def written_line(entry: ContextEntry) -> str:
    """Return what a write did, in one line."""
    numbers = f"version {entry.version} behaviour {entry.behaviour} revision {entry.revision}"
    return f"{harmless(entry.key)} {numbers}"


def _change_line(change: ContextChange | Resync) -> str:
    """Return one line for a change, whatever its texts hold."""
    if isinstance(change, Resync):
        return f"{change.revision} resync: {change.reason}"
    label = "" if change.label is None else f"@{change.label}"
    parts = [
        f"{change.revision} {moment(change.at)} {change.op} {change.key}{label}",
        f"{change.scope} version {change.before or 0} -> {change.version}",
        f"behaviour {change.behaviour}",
        *(part for part in (change.author, change.message) if part),
    ]
    return harmless("  ".join(parts))


async def print_changes(
    changes: AsyncIterator[ContextChange | Resync], count: int | None, *, as_json: bool
) -> None:
    """Print changes as they come, one a line, without end or so many."""
    printed = 0
    async for change in changes:
        typer.echo(json.dumps(plain(change)) if as_json else _change_line(change))
        printed += 1
        if printed == count:
            return


def new_table(*columns: str) -> Table:
    """Return a table whose cells are never cut."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Print rows, without the columns that none of them fills: there is little room."""
    filled = [n for n in range(len(columns)) if any(row[n] != "" for row in rows)]
    table = new_table(*(columns[n] for n in filled))
    for row in rows:
        add_row(table, *(row[n] for n in filled))
    Console().print(table)


def add_row(table: Table, *cells: str | int) -> None:
    """Add a row; whatever its texts hold, the terminal only shows them."""
    table.add_row(*(Text(harmless(str(cell))) for cell in cells))


def _change(entry: ContextEntry) -> str:
    """Name what made a version."""
    if entry.deleted:
        return "deleted"
    return entry.change if entry.same_as is None else f"rollback to {entry.same_as}"


def first_line(value: Any) -> str:
    """Return the beginning of a value, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, _, rest = text.partition("\n")
    shown = harmless(first[:_WIDEST_VALUE])
    return f"{shown} \u2026" if rest or len(first) > _WIDEST_VALUE else shown


def moment(at: datetime) -> str:
    """Return a time as people here read it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def harmless(text: str, unseen: re.Pattern[str] = _UNSEEN) -> str:
    """Return a text in which characters that steer a terminal are spelled out."""
    return unseen.sub(lambda found: ascii(found[0])[1:-1], text)
