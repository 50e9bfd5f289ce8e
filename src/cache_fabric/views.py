"""The tables of records for people: the answer or the figure they came for first. Pure.

A record asks for its own by name (`viewed.Viewed`), so a program without a notebook never imports
this. Stored texts are hostile: `viewed.html_table` escapes every cell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

from cache_fabric.explanation import CandidateExplanation, EntryExplanation, LookupExplanation
from cache_fabric.records import ContextDiff, ContextEntry, Execution
from cache_fabric.types import Bypass, CacheEntry, Hit, Miss
from cache_fabric.viewed import Cell, html_diff, html_table

__all__ = ["html_of"]

Rows = list[tuple[str, Cell]]
_NEAREST = 4  # candidates that are listed
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


@singledispatch
def html_of(record: Any) -> str:
    """Return a record as HTML; raises ``TypeError`` for what has no view."""
    raise TypeError(f"no view of {type(record).__name__}")


@html_of.register
def _(hit: Hit) -> str:
    entry = hit.entry
    rows: Rows = [
        ("answer", entry.text),
        ("served from", f"{hit.tier} tier{', stale' if hit.stale else ''}"),
        ("because", hit.reason),
        *_meaning(hit),
        ("age", _duration(entry.age())),
        ("saved", _saved(hit)),
        ("lookup took", _duration(hit.seconds)),
        ("lookup", hit.lookup_id),
        ("entry", entry.id),
    ]
    return html_table("Hit", rows)


@html_of.register
def _(miss: Miss) -> str:
    rows: Rows = [("because", miss.reason)]
    if miss.nearest is not None:
        rows.append(("nearest question", miss.nearest.entry.question))
        rows.append(("  similarity", f"{miss.nearest.similarity:.3f}"))
    if miss.probability is not None:
        rows.append(("  probably right", f"{miss.probability:.1%}"))
    if miss.degraded is not None:
        rows.append(("degraded", miss.degraded))
    rows += [("lookup took", _duration(miss.seconds)), ("lookup", miss.lookup_id)]
    return html_table("Miss", rows)


@html_of.register
def _(bypass: Bypass) -> str:
    return html_table("Bypass", [("because", bypass.reason)])


@html_of.register
def _(entry: CacheEntry) -> str:
    used = None if entry.usage is None else entry.usage.total_tokens
    rows: Rows = [
        ("question", entry.question),
        ("answer", entry.text),
        ("model", entry.model),
        ("age", _duration(entry.age())),
        ("expires", "never" if entry.expires is None else _moment(entry.expires)),
        ("the call cost", _dollars(entry.cost_micros)),
        ("  took", _duration(entry.latency)),
        ("  tokens", used),
        *_whose(entry),
        ("entry", entry.id),
    ]
    return html_table("Kept answer", rows)


@html_of.register
def _(entry: ContextEntry) -> str:
    labels = ", ".join(entry.labels)
    rows: Rows = [
        ("value", _value(entry.value)),
        ("version", entry.version),
        ("behaviour", entry.behaviour),
        ("change", "deleted" if entry.deleted else entry.change),
        *([("labels", labels)] if labels else []),
        *([("message", entry.message)] if entry.message else []),
        *([("author", entry.author)] if entry.author else []),
        ("written", entry.timestamp.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("revision", entry.revision),
    ]
    scope = "" if entry.scope == "global" else f" ({entry.scope})"
    return html_table(f"Context {entry.key}{scope}", rows)


@html_of.register
def _(diff: ContextDiff) -> str:
    return html_diff(diff)


@html_of.register
def _(run: Execution) -> str:
    rows: Rows = [
        ("graph", run.graph_name),
        ("status", run.status),
        ("asked", run.question),
        ("answered", None if run.output is None else _value(run.output)),
        ("steps", len(run.steps)),
        ("tokens", run.tokens),
        ("cost", None if run.cost is None else f"${run.cost:,.6f}"),
        ("contexts", ", ".join(f"{key} version {number}" for key, number in run.contexts)),
        ("feedback", ", ".join(one.verdict or "no verdict" for one in run.feedback)),
        ("began", run.timestamp.strftime("%Y-%m-%d %H:%M:%S UTC")),
    ]
    return html_table(f"Execution {run.execution_id}", rows)


@html_of.register
def _(explained: LookupExplanation) -> str:
    outcome = "Hit" if explained.outcome == "hit" else "Miss"
    rows: Rows = [
        *([("question", explained.question)] if explained.question else []),
        ("because", explained.reason),
        *([("served from", f"{explained.tier} tier")] if explained.tier else []),
        *_meaning(explained),
        ("policy", explained.policy or "not asked"),
        *_judged(explained),
        ("lookup took", _duration(explained.seconds)),
        ("lookup", explained.id),
    ]
    below = _candidates(explained.candidates) if explained.candidates else ""
    return html_table(f"{outcome}: why", rows, below=below)


@html_of.register
def _(explained: EntryExplanation) -> str:
    rows: Rows = [
        *([("question", explained.question)] if explained.question else []),
        *([("answer", explained.text)] if explained.text else []),
        ("state", explained.state),
        ("model", explained.model),
        ("age", _duration(explained.age)),
        ("the call cost", _dollars(explained.cost_micros)),
        ("served by meaning", len(explained.hits)),
        ("refused", explained.refused),
        *_whose(explained),
        ("entry", explained.id),
    ]
    story = [(_moment(one.at), one.what, one.by, one.why) for one in explained.history]
    below = html_table("Its history", story, ("when", "what", "who", "why")) if story else ""
    return html_table("Answer: what is known", rows, below=below)


def _meaning(found: Hit | LookupExplanation) -> Rows:
    """Return how near, and how sure: of what was compared by meaning."""
    rows: Rows = []
    if found.tier == "semantic" and isinstance(found, Hit):
        rows.append(("kept for", found.entry.question))
    if found.similarity is not None and found.tier in (None, "semantic"):
        rows.append(("  similarity", f"{found.similarity:.3f}"))
    if found.probability is not None:
        rows.append(("  probably right", f"{found.probability:.1%}"))
    return rows


def _judged(explained: LookupExplanation) -> Rows:
    rows: Rows = []
    if explained.threshold is not None:
        rows.append(("threshold", f"{explained.threshold:.3f}"))
    if explained.scoring is not None:
        rows.append(("risk of a wrong answer", f"{explained.scoring.risk:.2%}"))
        rows.append(("  served up to", f"{max(0.0, explained.scoring.price):.2%}"))
    if explained.budget is not None:
        rows.append(("wrong answers expected so far", f"{explained.budget.spent:.2f}"))
        rows.append(("  allowed so far", f"{explained.budget.allowed:.2f}"))
    return rows


def _candidates(candidates: Sequence[CandidateExplanation]) -> str:
    rows: list[Sequence[Cell]] = [
        (
            one.question or one.entry_id[:12],
            f"{one.similarity:.3f}",
            "; ".join(one.objections or one.guard or ()) or "none",
        )
        for one in candidates[:_NEAREST]
    ]
    return html_table("Compared with", rows, ("question", "similarity", "objections"))


def _whose(of: CacheEntry | EntryExplanation) -> Rows:
    contexts = ", ".join(f"{path} behaviour {number}" for path, number in of.contexts)
    named = (("tenant", of.tenant), ("user", of.user), ("contexts", contexts))
    rows: Rows = [(label, text) for label, text in named if text]
    return rows + ([("tags", ", ".join(of.tags))] if of.tags else [])


def _saved(hit: Hit) -> str | None:
    tokens = "" if hit.saved_tokens is None else f", {hit.saved_tokens:,} tokens"
    return None if hit.saved_micros is None else f"{_dollars(hit.saved_micros)}{tokens}"


def _dollars(micros: int | None) -> str | None:
    return None if micros is None else f"${micros / 1e6:,.6f}"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    for unit, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _value(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    )
