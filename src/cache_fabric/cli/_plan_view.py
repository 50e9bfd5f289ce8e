"""What compiling a manifest changes, as an infrastructure tool tells it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from cache_fabric.cli._context_views import diff_lines, first_line, harmless
from cache_fabric.context_answers import AnswerSum
from cache_fabric.nexus.compile import Compilation
from cache_fabric.nexus.plan import LabelMove, Plan, PlannedChange

__all__ = ["plain_compilation", "show_compilation"]

_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_STYLES = {"add": "green", "change": "yellow", "remove": "red"}
_UNKNOWN = (
    "answers affected: unknown, none tells of tools, of texts filled in, of a text of two contexts"
)
_CLASSES = ("breaking", "behaviour", "cosmetic")


def show_compilation(done: Compilation, *, planned: bool) -> None:
    """Print a plan, or what was published."""
    console = Console(highlight=False)
    for line in _lines(done, planned=planned):
        console.print(line, soft_wrap=True)


def plain_compilation(done: Compilation) -> dict[str, Any]:
    """Return a compilation as JSON data; what nobody knows is ``None``."""
    plan = done.plan
    return {
        "manifest": plan.manifest.name,
        "version": plan.manifest.version,
        "format": plan.manifest.format,
        "file": plan.manifest.file,
        "revision": done.revision,
        "changes": [_plain_change(change) for change in plan.changes],
        "prune": plan.prune,
        "unchanged": [entry.key for entry in plan.unchanged],
        "labels": [_plain_move(move) for move in plan.labels],
        "drift": [
            {"key": one.key, "locked": one.locked, "live": one.live, "why": one.why}
            for one in plan.drift
        ],
        "answers": _plain_sum(plan.answers),
        "versions": dict(done.versions),
    }


def _plain_change(change: PlannedChange) -> dict[str, Any]:
    place = None if change.context is None else change.context.place
    return {
        "key": change.key,
        "action": change.action,
        "change": change.change,
        "instead_of": change.instead_of,
        "left_out": list(_left_out(change)),
        "live": None if change.live is None else change.live.version,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "diff": change.diff or None,
        "answers": _plain_sum(change.answers),
        "answers_are_least": change.is_least,
    }


def _plain_move(move: LabelMove) -> dict[str, Any]:
    return {
        "key": move.key,
        "label": move.label,
        "before": move.before,
        "version": move.version,
    }


def _plain_sum(answers: AnswerSum | None) -> dict[str, Any] | None:
    if answers is None:
        return None
    return {"count": answers.count, "unpriced": answers.unpriced, "cost": answers.cost}


def _lines(done: Compilation, *, planned: bool) -> Iterator[Text]:
    plan, manifest = done.plan, done.plan.manifest
    version = "" if manifest.version is None else f" {manifest.version}"
    where = "" if manifest.file is None else f", from {manifest.file}"
    yield Text(harmless(f"{manifest.name}{version} ({manifest.format}){where}"), "bold")
    for change in plan.changes:
        yield from _change_lines(change, prune=plan.prune, counted=plan.answers is not None)
    yield from _label_lines(plan.labels)
    for one in plan.drift:
        yield Text(harmless(f"  ! {one.key}: {one.why}"), "magenta")
    yield Text()
    yield Text(_summary(plan))
    if plan.answers is not None and plan.costing:
        yield Text(_answers_line(plan))
    if not planned:
        yield Text(_outcome(done), "bold")


def _change_lines(change: PlannedChange, *, prune: bool, counted: bool) -> Iterator[Text]:
    yield Text(
        harmless(f"  {_SIGNS[change.action]} {_told(change, prune)}"), _STYLES[change.action]
    )
    if change.action == "add":
        yield Text(f"      {first_line(change.value)}")
    if change.instead_of is not None:
        yield Text(harmless(f"      ! {change.instead_of}"), "magenta")
    if left_out := _left_out(change):
        told = f"      credentials are not published: {', '.join(left_out)}"
        yield Text(harmless(told), "magenta")
    # The names in the first two lines of a diff are those of the line above.
    for line in list(diff_lines(change.diff))[2:]:
        yield Text("      ").append_text(line)
    if counted and change.answers is not None and change.answers.count:
        least = "at least " if change.is_least else ""
        yield Text(f"      {least}{_asking_again(change.answers)}")
    elif counted and change.answers is None and change.change in ("behaviour", "breaking"):
        yield Text(f"      {_UNKNOWN}")


def _left_out(change: PlannedChange) -> Sequence[str]:
    found: Sequence[str] = (
        () if change.context is None else change.context.extra.get("left_out", ())
    )
    return found


def _told(change: PlannedChange, prune: bool) -> str:
    if change.action == "remove":
        fate = "is deleted" if prune else "no longer in the manifest; stays, --prune deletes it"
        return f"{change.key}  {fate}"
    versions = (
        "" if change.live is None else f"  {change.live.version} -> {change.live.version + 1}"
    )
    kind = "" if change.change is None else f"  {change.change}"
    place = None if change.context is None else change.context.place
    known = () if place is None else (place.file, place.line)
    where = ":".join(str(each) for each in known if each is not None)
    return f"{change.key}{versions}{kind}" + (f"  {where}" if where else "")


def _label_lines(moves: Sequence[LabelMove]) -> Iterator[Text]:
    for move in moves:
        if move.version is None:  # goes with the new version
            continue
        before = "nothing" if move.before is None else str(move.before)
        yield Text(harmless(f"  @ {move.key}@{move.label}  {before} -> {move.version}"), "cyan")


def _summary(plan: Plan) -> str:
    if plan.is_empty and not plan.changes:
        return f"No changes: {len(plan.unchanged):,} contexts are live as the manifest says."
    changed = plan.of("change")
    counts = [(sum(c.change == name for c in changed), name) for name in _CLASSES]
    classes = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    removed = "to delete" if plan.prune else "no longer in the manifest"
    parts = [
        f"{len(plan.of('add')):,} to add",
        f"{len(changed):,} to change" + (f" ({classes})" if classes else ""),
        f"{len(plan.of('remove')):,} {removed}",
        f"{len(plan.unchanged):,} unchanged",
    ]
    labels = f"; {len(plan.labels):,} labels to move" if plan.labels else ""
    return f"Plan: {', '.join(parts)}{labels}."


def _answers_line(plan: Plan) -> str:
    assert plan.answers is not None
    unknown = sum(change.answers is None for change in plan.costing)
    least = "at least " if any(c.is_least and c.answers for c in plan.costing) else ""
    told = f"Answers affected: {least}{_asking_again(plan.answers)}"
    if unknown:
        told += f"; of {unknown:,} changed contexts it is unknown"
    return f"{told}."


def _asking_again(answers: AnswerSum) -> str:
    """Return how many answers are no longer found, and what the same calls cost the last time."""
    found = "1 answer is" if answers.count == 1 else f"{answers.count:,} answers are"
    if not answers.count:
        return f"{found} no longer found"
    if answers.cost is None:
        return f"{found} no longer found; what asking again costs is unknown, none has a price"
    least = f", without {answers.unpriced:,} that have no price" if answers.unpriced else ""
    return f"{found} no longer found; asking again costs about ${answers.cost:,.4f}{least}"


def _outcome(done: Compilation) -> str:
    if done.revision is None:
        return "Nothing was published."
    return f"Published at revision {done.revision}."
