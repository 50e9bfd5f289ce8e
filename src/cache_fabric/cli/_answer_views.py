"""How ``cache-fabric answers`` shows an explanation."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console

from cache_fabric.cli._context_views import add_row, first_line, moment, new_table
from cache_fabric.explanation import EntryExplanation, LookupExplanation

__all__ = ["show_explained"]

_ELSEWHERE = "Lookups, and hits by meaning, are known to the process that made them only."


def show_explained(explained: EntryExplanation | LookupExplanation) -> None:
    """Print what is known of an answer, a line each; unknown is a dash."""
    assert isinstance(explained, EntryExplanation), "a new process has made no lookup"
    table = new_table("answer", explained.id)
    for name, value in _rows(explained):
        add_row(table, name, value or "\u2013")
    console = Console()
    console.print(table)
    story = new_table("when", "what", "who", "why", "execution")
    for one in explained.history:
        add_row(story, moment(_at(one.at)), one.what, one.by, first_line(one.why), one.execution_id)
    console.print(story)
    console.print(_ELSEWHERE)


def _rows(entry: EntryExplanation) -> list[tuple[str, str]]:
    rows = [
        ("model", entry.model),
        ("tenant", entry.tenant or ""),
        ("user", entry.user or ""),
        ("tags", ", ".join(entry.tags)),
        ("contexts", ", ".join(f"{path} behaviour {number}" for path, number in entry.contexts)),
        ("embedder", entry.embedder),
        ("state", entry.state),
        ("born", "" if entry.created is None else moment(_at(entry.created))),
        ("age", "" if entry.age is None else f"{entry.age:,.0f} s"),
        ("expires", _expiry(entry)),
        ("latency", "" if entry.latency is None else f"{entry.latency:.3f} s"),
        ("tokens", "" if entry.tokens is None else f"{entry.tokens:,}"),
        ("cost", "" if entry.cost_micros is None else f"${entry.cost_micros / 1e6:,.6f}"),
    ]
    if entry.origin is not None:
        rows.append(("origin", entry.origin))
    texts = (("question", entry.question), ("text", entry.text))
    return rows + [(name, first_line(text)) for name, text in texts if text is not None]


def _expiry(entry: EntryExplanation) -> str:
    if entry.expires is None:
        return "never"
    return moment(_at(entry.expires)) + (" (expired)" if entry.expired else "")


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
