"""``cache-fabric contexts score | guard | unguard | guards``: what feedback says of versions."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from cache_fabric.cli._context_options import Key, Tenant, opened_contexts
from cache_fabric.cli._context_views import add_row, moment, new_table
from cache_fabric.cli._execution_options import as_time
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.version_records import LabelGuard, VersionScore

__all__ = ["add_to"]

Label = Annotated[str, typer.Argument(show_default=False)]


class Metric(StrEnum):
    """What a guard looks at."""

    SCORE = "score"
    GOOD = "good"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (score, guard, unguard, guards):
        app.command()(command)


def score(
    key: Key,
    tenant: Tenant = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=as_time, metavar="TIME", help="Not before: ISO 8601, or 2h, 7d ago."),
    ] = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Show what feedback says of each version of a context, newest first."""
    with opened_contexts(fabric) as contexts:
        scores = contexts.feedback_summary(key, tenant=tenant, since=since)
    if json:
        print_json([dataclasses.asdict(one) for one in scores])
    elif scores:
        _show_scores(scores)
    else:
        typer.echo(f"No feedback on {key}.", err=True)


def guard(
    key: Key,
    label: Label,
    metric: Annotated[
        Metric, typer.Option(help="Mean score, or share of good feedback.")
    ] = Metric.SCORE,
    window: Annotated[float, typer.Option(help="Seconds that feedback counts for.")] = 3600.0,
    minimum: Annotated[int, typer.Option(help="Feedbacks that are needed.")] = 20,
    bound: Annotated[float, typer.Option(help="The label goes back below it; 0 to 1.")] = 0.7,
    live: Annotated[bool, typer.Option("--live", help="Move the label, do not only note.")] = False,
    tenant: Tenant = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Let a label go back to its version before when feedback is bad; only notes, without --live.

    A guard that has fired rests until the label points at another version, or until it is set anew.
    """
    with opened_contexts(fabric) as contexts:
        made = contexts.guard_label(
            key,
            label,
            metric=metric.value,
            window=window,
            minimum=minimum,
            bound=bound,
            dry_run=not live,
            tenant=tenant,
        )
    if json:
        print_json(_plain(made))
    else:
        typer.echo(f"{key}@{label} {_rule(made)}{'' if live else ' (only noted)'}")


def unguard(key: Key, label: Label, tenant: Tenant = None, fabric: FabricOption = None) -> None:
    """Take the guard of a label away."""
    with opened_contexts(fabric) as contexts:
        was_there = contexts.unguard_label(key, label, tenant=tenant)
    if not was_there:
        fail(f"no guard of {key}@{label}")
    typer.echo(f"{key}@{label} is not guarded any more")


def guards(fabric: FabricOption = None, json: JsonOption = False) -> None:
    """List the guards of labels, and what each did last."""
    with opened_contexts(fabric) as contexts:
        found = contexts.label_guards()
    if json:
        print_json([_plain(one) for one in found])
        return
    if not found:
        typer.echo("No guards.", err=True)
        return
    table = new_table("key", "label", "tenant", "goes back when", "mode", "last")
    for one in found:
        mode = "notes" if one.dry_run else "moves"
        add_row(table, one.key, one.label, one.tenant or "", _rule(one), mode, _last(one))
    Console().print(table)


def _show_scores(scores: list[VersionScore]) -> None:
    table = new_table("version", "feedback", "good", "bad", "mean score", "good, 95 % interval")
    for one in scores:
        judged = one.good + one.bad
        add_row(
            table,
            one.version,
            f"{one.count:,}",
            f"{one.good:,}",
            f"{one.bad:,}",
            "\u2013" if one.mean is None else f"{one.mean:.2f}",
            f"{100 * one.low:.0f} to {100 * one.high:.0f} %" if judged else "\u2013",
        )
    Console().print(table)


def _rule(guard: LabelGuard) -> str:
    metric = "mean score" if guard.metric == "score" else "share of good"
    return (
        f"{metric} below {guard.bound:g} in {guard.window:g} s, from {guard.minimum} feedbacks on"
    )


def _last(guard: LabelGuard) -> str:
    fired = guard.fired
    if fired is None:
        return ""
    target = "nowhere" if fired.to_version is None else str(fired.to_version)
    did = "moved" if fired.moved else "would have moved" if fired.to_version else "stuck"
    return f"{moment(fired.at)} {did} {fired.from_version} -> {target}: {fired.why}"


def _plain(guard: LabelGuard) -> dict[str, Any]:
    return dataclasses.asdict(guard)
