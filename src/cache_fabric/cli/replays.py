"""``cache-fabric executions replay | dataset``: runs under another version, and as examples."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from cache_fabric.cli._context_views import add_row, first_line, new_table
from cache_fabric.cli._execution_options import opened_executions
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.cli._litellm_model import litellm_model
from cache_fabric.cli._progress import progress_bar
from cache_fabric.version_records import DatasetSummary, ReplayReport

__all__ = ["add_to"]

Tenant = Annotated[str | None, typer.Option(help="Only of runs of this tenant.")]


class Verdict(StrEnum):
    """What the feedback on a run comes to."""

    GOOD = "good"
    BAD = "bad"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (replay, dataset):
        app.command()(command)


def replay(
    context: Annotated[str, typer.Option(help="Key of the context.", show_default=False)],
    version: Annotated[
        str, typer.Option(help="The candidate: a version or a label.", show_default=False)
    ],
    model: Annotated[
        str | None, typer.Option(help="As LiteLLM names it; not needed for a dry run.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Runs that are looked at.")] = 100,
    carry_over: Annotated[
        bool, typer.Option("--carry-over", help="Keep unchanged answers under the version too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask nobody.")] = False,
    concurrency: Annotated[int, typer.Option(help="Calls of the model at a time.")] = 4,
    tenant: Tenant = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Ask what the last runs were asked again under another version, and show what changed."""
    if model is None and not dry_run:
        fail("model: name one with --model, or only plan with --dry-run")
    with (
        opened_executions(fabric, by_meaning=True) as opened,
        progress_bar("answers", shown=not json) as told,
    ):
        report = asyncio.run(
            opened.replay(
                context=context,
                version=int(version) if version.isdecimal() else version,
                model=None if model is None else litellm_model(model),
                limit=limit,
                carry_over=carry_over,
                dry_run=dry_run,
                concurrency=concurrency,
                tenant=tenant,
                progress=told,
            )
        )
    if json:
        print_json(_plain(report))
    else:
        _show(report)


def dataset(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A path; - for standard output.")],
    graph: Annotated[str | None, typer.Option(help="Only of this graph.")] = None,
    context: Annotated[
        str | None, typer.Option(help="Of runs with this context: KEY or KEY@VERSION.")
    ] = None,
    tenant: Tenant = None,
    verdict: Annotated[Verdict | None, typer.Option(help="Of the feedback on a run.")] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="NAME=SHARE, repeated; train=0.8 and test=0.2 if none.")
    ] = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Write judged runs as examples, one a line of JSON."""
    shares = {} if split is None else {"split": _shares(split)}
    with opened_executions(fabric) as opened, progress_bar("feedback", shown=not json) as told:
        summary = opened.sync.build_dataset(
            sys.stdout if file == "-" else file,
            graph=graph,
            context=context,
            tenant=tenant,
            verdict=None if verdict is None else verdict.value,
            progress=told,
            **shares,
        )
    if json and file != "-":
        print_json({"path": file, **dataclasses.asdict(summary)})
    else:
        _show_summary(file, summary)


def _show(report: ReplayReport) -> None:
    shown = [row for row in report.rows if row.verdict in {"changed", "failed", "planned"}]
    if shown:
        table = new_table("execution", "question", "old", "new", "verdict", "reason")
        for row in shown:
            texts = (first_line(text or "") for text in (row.question, row.old, row.new))
            add_row(table, row.execution_id, *texts, row.verdict, row.reason)
        Console().print(table)
    for line in _lines(report):
        typer.echo(line)


def _lines(report: ReplayReport) -> Iterator[str]:
    """Yield what a replay came to, in words."""
    if report.nothing_to_do:
        yield (
            f"Nothing to do: {report.current:,} answers are found under version "
            f"{report.version} as they are."
        )
        return
    if report.changed_share is not None:
        low, high = report.changed_interval
        compared = report.count("changed") + report.count("unchanged")
        yield (
            f"{report.count('changed'):,} of {compared:,} answers changed "
            f"({100 * report.changed_share:.0f} %, 95 % interval {100 * low:.0f} to "
            f"{100 * high:.0f} %); {report.carried:,} carried over to behaviour {report.behaviour}"
        )
    if planned := report.count("planned"):
        yield f"{planned:,} {'answer' if planned == 1 else 'answers'} would be asked for"
    if not report.rows:
        yield f"Nothing to ask: no run used {report.key} under another behaviour."
    if report.current:
        yield f"{report.current:,} are found under version {report.version} already"
    skipped = Counter(row.reason for row in report.rows if row.verdict == "skipped")
    for reason, count in skipped.most_common():
        yield f"{count:,} skipped: {reason}"
    if report.tokens is not None:
        cost = "" if report.cost is None else f", ${report.cost:,.4f}"
        yield f"{report.tokens:,} tokens{cost}"


def _show_summary(file: str, summary: DatasetSummary) -> None:
    to_pipe = file == "-"
    splits = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.splits.items()))
    typer.echo(
        f"{summary.rows:,} examples written{'' if to_pipe else f' to {file}'}"
        f"{f': {splits}' if splits else ''}",
        err=to_pipe,
    )
    for reason, count in sorted(summary.skipped.items(), key=lambda item: -item[1]):
        typer.echo(f"{count:,} left out: {reason}", err=to_pipe)


def _plain(report: ReplayReport) -> dict[str, Any]:
    low, high = report.changed_interval
    return {
        **dataclasses.asdict(report),
        "changed_share": report.changed_share,
        "changed_low": low,
        "changed_high": high,
        "carried": report.carried,
    }


def _shares(given: list[str]) -> dict[str, float]:
    try:
        return {name: float(share) for name, _, share in (one.partition("=") for one in given)}
    except ValueError:
        fail(f"split: expected NAME=SHARE, got {', '.join(given)}")
