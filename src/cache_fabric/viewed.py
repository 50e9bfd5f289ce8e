"""What a notebook shows of a record: a small HTML table in which every text is escaped. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib import import_module

__all__ = ["Cell", "Viewed", "html_diff", "html_table"]

Cell = str | int | float | None
_PLAIN = "class='tex2jax_ignore mathjax_ignore'"  # two amounts in dollars are no formula
_DASH = "\u2013"  # for what is not known
_MOST = 2_000  # characters of one text
_LEFT = "text-align:left"
_TEXT = f"{_LEFT};white-space:pre-wrap"
_LABEL = f"{_LEFT};font-weight:normal;vertical-align:top;white-space:nowrap"
# Half transparent, they are read on a light page and on a dark one.
_COLOURS = {"+": "rgba(40,160,80,.22)", "-": "rgba(220,60,60,.22)", "@": "rgba(128,128,128,.22)"}


class Viewed:
    """Is shown as a table in a notebook; `cache_fabric.views` draws it, once one asks."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        drawn: str = import_module("cache_fabric.views").html_of(self)
        return drawn


def html_table(
    caption: str, rows: Iterable[Sequence[Cell]], header: Sequence[str] = (), below: str = ""
) -> str:
    """Return a table; without a header the first cell of a row is the label of the others.

    Args:
        caption: Above it.
        rows: Their cells; ``None`` is a dash, two spaces before a label set it in.
        header: Labels of the columns.
        below: HTML that follows it, as `html_diff` and this function return it.
    """
    head = "".join(f"<th style='{_LEFT}'>{html.escape(label)}</th>" for label in header)
    head = f"<thead><tr>{head}</tr></thead>" if header else ""
    body = "".join(f"<tr>{_cells(row, is_labelled=not header)}</tr>" for row in rows)
    title = f"<caption style='{_LEFT};font-weight:bold'>{html.escape(caption)}</caption>"
    return f"<table {_PLAIN}>{title}{head}<tbody>{body}</tbody></table>{below}"


def html_diff(diff: str) -> str:
    """Return the lines of a unified diff, coloured by what they say."""
    lines = "".join(
        f"<div style='background:{_COLOURS.get(line[:1], 'none')}'>{html.escape(line) or ' '}</div>"
        for line in diff.splitlines()
        if not line.startswith(("--- ", "+++ "))
    )
    style = "font-family:monospace;white-space:pre-wrap;max-width:60em"
    return f"<div {_PLAIN} style='{style}'>{lines}</div>"


def _cells(row: Sequence[Cell], *, is_labelled: bool) -> str:
    texts = [html.escape(_shown(cell)) for cell in row]
    if not is_labelled:
        return "".join(f"<td style='{_TEXT}'>{text}</td>" for text in texts)
    label = texts[0].replace("  ", "&emsp;")
    values = "".join(f"<td style='{_TEXT}'>{text}</td>" for text in texts[1:])
    return f"<th style='{_LABEL}'>{label}</th>{values}"


def _shown(cell: Cell) -> str:
    if cell is None or cell == "":
        return _DASH
    text = f"{cell:,}" if isinstance(cell, int) else str(cell)
    return text if len(text) <= _MOST else f"{text[:_MOST]} \u2026"
