"""``cache-fabric feedback``: say of a run how good it was, and read what was said."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from cache_fabric.cli._context_views import add_row, new_table
from cache_fabric.cli._execution_options import Cursor, as_time, opened_executions
from cache_fabric.cli._execution_views import show_feedback
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.cli._progress import progress_bar
from cache_fabric.records import Feedback

__all__ = ["app"]

app = typer.Typer(help="Give feedback on executions, and read it.", no_args_is_help=True)


_SAYING = ("rating", "label", "status", "score", "comment", "correction", "match or --no-match")


class Kind(StrEnum):
    """What an annotator is."""

    HUMAN = "HUMAN"
    LLM = "LLM"
    CODE = "CODE"


class Verdict(StrEnum):
    """What a feedback says of the answer."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"


Context = Annotated[str | None, typer.Option(help="Of runs with this context: KEY or KEY@VERSION.")]
Verdicts = Annotated[Verdict | None, typer.Option(help="With this verdict.")]
Annotator = Annotated[str | None, typer.Option(help="HUMAN, LLM, CODE, or the id of one.")]
Tenant = Annotated[str | None, typer.Option(help="Of runs of this tenant.")]
User = Annotated[str | None, typer.Option(help="Of runs of this user.")]
Since = Annotated[
    datetime | None,
    typer.Option(parser=as_time, metavar="TIME", help="Not before: ISO 8601, or 15m, 2h, 7d ago."),
]
Until = Annotated[
    datetime | None, typer.Option(parser=as_time, metavar="TIME", help="Before this time.")
]


@app.command()
def add(
    execution: Annotated[str, typer.Argument(show_default=False)],
    rating: Annotated[float | None, typer.Option(help="From 1 (bad) to 5.")] = None,
    label: Annotated[str | None, typer.Option(help="correct, incorrect, or any other.")] = None,
    status: Annotated[str | None, typer.Option(help="success, failure, or any other.")] = None,
    score: Annotated[float | None, typer.Option(help="From 0 to 1; says nothing alone.")] = None,
    comment: Annotated[str | None, typer.Option(help="Why.")] = None,
    correction: Annotated[str | None, typer.Option(help="The right answer, served now.")] = None,
    match: Annotated[
        bool | None, typer.Option("--match/--no-match", help="Whether it was as expected.")
    ] = None,
    annotator: Annotated[Kind, typer.Option(help="What you are.")] = Kind.HUMAN,
    annotator_id: Annotated[str | None, typer.Option(help="Who you are.")] = None,
    name: Annotated[str | None, typer.Option(help="Of what is judged.")] = None,
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Acts only when others agree.")
    ] = False,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Keep it also of a run that is not known.")
    ] = False,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Say of a run how good it was; a bad answer is served no more, in any process."""
    said = {
        "user_rating": rating,
        "label": label,
        "status": status,
        "score": score,
        "comment": comment,
        "correction": correction,
        "match": match,
    }
    given: dict[str, Any] = {field: value for field, value in said.items() if value is not None}
    if not given:
        fail(f"nothing is said: give {', '.join(f'--{option}' for option in _SAYING)}")
    by = {"annotator": annotator.value, "annotator_id": annotator_id, "name": name}
    given |= {field: value for field, value in by.items() if value is not None}
    with opened_executions(fabric) as opened:
        kept = opened.sync.record_feedback(
            execution, given, trusted=not untrusted, allow_unknown=allow_unknown
        )
    if json:
        print_json(kept)
    else:
        _show_kept(kept)


@app.command()
def ls(
    execution: Annotated[str | None, typer.Option(help="Of this execution.")] = None,
    context: Context = None,
    verdict: Verdicts = None,
    annotator: Annotator = None,
    tenant: Tenant = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="Most that is shown.")] = 50,
    cursor: Cursor = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """List what was said, newest first."""
    with opened_executions(fabric) as opened:
        page = opened.sync.list_feedback(
            execution,
            **_asked(context, verdict, annotator, tenant, user, since, until),
            limit=limit,
            cursor=cursor,
        )
    if json:
        print_json(list(page))
    elif page:
        show_feedback(page)
    else:
        typer.echo("No feedback.", err=True)
    if page.cursor is not None:
        typer.echo(f"There may be more: --cursor {page.cursor}", err=True)


@app.command()
def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A path; - for standard output.")],
    context: Context = None,
    verdict: Verdicts = None,
    annotator: Annotator = None,
    tenant: Tenant = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    fabric: FabricOption = None,
) -> None:
    """Write what was said to FILE, as JSON lines, newest first."""
    with opened_executions(fabric) as opened, progress_bar("feedback") as told:
        count = opened.sync.export_feedback(
            sys.stdout if file == "-" else file,
            progress=told,
            **_asked(context, verdict, annotator, tenant, user, since, until),
        )
    typer.echo(f"{count:,} feedbacks written", err=True)


def _show_kept(kept: Feedback) -> None:
    typer.echo(f"{kept.verdict or 'no verdict'}, kept as {kept.id}")
    if kept.effects:
        table = new_table("answer", "action", "reason")
        for effect in kept.effects:
            add_row(table, effect.entry_id, effect.action, effect.reason)
        Console().print(table)


def _asked(
    context: str | None,
    verdict: Verdict | None,
    annotator: str | None,
    tenant: str | None,
    user: str | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    return {
        "context": context,
        "verdict": None if verdict is None else verdict.value,
        "annotator": annotator,
        "tenant": tenant,
        "user": user,
        "since": since,
        "until": until,
    }
