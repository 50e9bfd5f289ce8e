"""A plan as a notebook shows it: what changes, what that costs, and the diffs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cache_fabric.viewed import Cell, html_diff, html_table

if TYPE_CHECKING:
    from cache_fabric.nexus.plan import Plan, PlannedChange

__all__ = ["html_of_plan"]

_HEADER = ("", "context", "what changes", "answers no longer found")
_SIGNS = {"add": "+", "change": "~", "remove": "\u2212"}


def html_of_plan(plan: Plan, *outcome: str) -> str:
    """Return a plan as a table with its diffs, with what came of it in its caption."""
    counted = plan.answers is not None
    rows = [_row(change, prune=plan.prune, counted=counted) for change in plan.changes]
    rows += [
        ("=", entry.key, f"version {entry.version} as it is", "none") for entry in plan.unchanged
    ]
    caption = ", ".join((f"{plan.manifest.name} ({plan.manifest.format})", *outcome))
    return html_table(caption, rows, _HEADER, below=_diffs(plan.changes))


def _row(change: PlannedChange, *, prune: bool, counted: bool) -> tuple[Cell, ...]:
    sign, what = _SIGNS[change.action], "new"
    if change.action == "remove":
        what = "deleted" if prune else "no longer in the manifest; stays"
    elif change.live is not None:
        what = f"version {change.live.version} to {change.live.version + 1}, {change.change}"
    if change.action == "add":
        return sign, change.key, what, "none"
    if change.instead_of is not None:
        what += f"; {change.instead_of}"
    return sign, change.key, what, _lost(change) if counted else None


def _lost(change: PlannedChange) -> str | None:
    answers = change.answers
    if answers is None or not answers.count:
        return None if answers is None else "none"
    cost = "cost unknown" if answers.cost is None else f"about ${answers.cost:,.4f} to ask again"
    least = "at least " if change.is_least else ""
    return f"{least}{answers.count:,}, {cost}"


def _diffs(changes: Iterable[PlannedChange]) -> str:
    return "".join(
        html_table(change.key, ()) + html_diff(change.diff) for change in changes if change.diff
    )
