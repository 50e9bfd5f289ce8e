"""``cache-fabric answers``: list, explain, take back, bring back and pin kept answers.

Works beside running applications: the store is changed, they hear of it through the change log,
and a vector that is left in an index is removed when it is found.
"""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cache_fabric.cli._answer_files import export_answers, import_answers
from cache_fabric.cli._answer_views import show_explained
from cache_fabric.cli._context_options import opened_contexts
from cache_fabric.cli._context_views import first_line, moment, show_rows, show_value
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.errors import NotFound
from cache_fabric.explanation import EntryExplanation
from cache_fabric.sync import SyncCacheFabric
from cache_fabric.taken_back import Invalidation
from cache_fabric.types import CacheEntry
from cache_fabric.votes import Effect

__all__ = ["app"]

app = typer.Typer(
    help="List, explain, take back, bring back and pin kept answers.", no_args_is_help=True
)
app.command("export")(export_answers)
app.command("import")(import_answers)

EntryId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
Context = Annotated[str | None, typer.Option(help="Given under any version of this context.")]
Tenant = Annotated[str | None, typer.Option(help="Of this tenant.")]
User = Annotated[str | None, typer.Option(help="Of this user.")]
Tag = Annotated[str | None, typer.Option(help="With this tag.")]
Model = Annotated[str | None, typer.Option(help="Of this model.")]
By = Annotated[str | None, typer.Option(help="Who; kept with the answer.")]
Why = Annotated[str, typer.Option(help="Why; kept with the answer.")]


class Standing(StrEnum):
    """What verdicts have made of an answer."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    PINNED = "pinned"


@app.command()
def ls(
    context: Context = None,
    tenant: Tenant = None,
    user: User = None,
    tag: Tag = None,
    model: Model = None,
    state: Annotated[Standing, typer.Option(help="Of this state.")] = Standing.ACTIVE,
    limit: Annotated[int, typer.Option(help="Most answers that are shown.")] = 100,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """List kept answers, newest first."""
    with opened_contexts(fabric) as opened:
        entries = opened.list_answers(
            context=context,
            tenant=tenant,
            user=user,
            tag=tag,
            model=model,
            state=state.value,
            limit=limit,
        )
    if json:
        print_json([_plain(entry) for entry in entries])
    elif entries:
        columns = ("id", "model", "tenant", "tags", "born", "expires", "question")
        show_rows(columns, [_cells(entry) for entry in entries])
    else:
        typer.echo("No answers.", err=True)


@app.command()
def show(entry_id: EntryId, fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Show the text of an answer, with --json all that is kept of its call."""
    with opened_contexts(fabric) as opened:
        entry = opened.get_entry(entry_id)
        if entry is None:
            fail(_why_not(opened, entry_id))
    if json:
        print_json({**_plain(entry), "payload": entry.payload})
    else:
        show_value(entry.text)


@app.command()
def explain(
    entry_id: EntryId,
    texts: Annotated[bool, typer.Option("--texts", help="Show question and answer.")] = False,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Tell where an answer came from, what happened to it, and how long it may be served.

    Lookups are explained by the process that made them, with fabric.explain(lookup_id).
    """
    with opened_contexts(fabric) as opened:
        explained = opened.explain(entry_id, texts=texts)
    if json:
        print_json(dataclasses.asdict(explained))
    else:
        show_explained(explained)


@app.command()
def retire(
    entry_id: EntryId,
    why: Why = "",
    by: By = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Quarantine one answer, in every process; restore brings it back."""
    with opened_contexts(fabric) as opened:
        effect = opened.retire_answer(entry_id, by=by, why=why)
    _tell(effect, as_json=json)


@app.command()
def restore(
    entry_id: EntryId,
    why: Why = "",
    by: By = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Serve an answer again that is quarantined; make a pinned one an ordinary one."""
    with opened_contexts(fabric) as opened:
        effect = opened.restore_answer(entry_id, by=by, why=why)
    _tell(effect, as_json=json)


@app.command()
def pin(
    entry_id: EntryId,
    answer: Annotated[
        str | None, typer.Option(help="Serve these words in its place.", show_default=False)
    ] = None,
    why: Why = "",
    by: By = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Serve an answer for ever: it neither expires nor is evicted nor answered anew."""
    with opened_contexts(fabric) as opened:
        effect = opened.pin_answer(entry_id, answer=answer, by=by, why=why)
    _tell(effect, as_json=json)


@app.command()
def purge(
    entry: Annotated[str | None, typer.Option(help="The one with this id.")] = None,
    context: Context = None,
    tenant: Tenant = None,
    user: User = None,
    tag: Tag = None,
    model: Model = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Delete the answers that fit all that is named, for good and in every process."""
    with opened_contexts(fabric) as opened:
        done = opened.invalidate(
            entry=entry,
            context=context,
            tenant=tenant,
            user=user,
            tag=tag,
            model=model,
            dry_run=dry_run,
        )
    if entry is not None and not done.count:
        fail(f"no answer {entry!r}")
    _report(done, as_json=json)


def _why_not(fabric: SyncCacheFabric, entry_id: str) -> str:
    with contextlib.suppress(NotFound):
        explained = fabric.explain(entry_id)
        if isinstance(explained, EntryExplanation) and explained.state == "quarantined":
            return f"{entry_id} is quarantined: see answers explain --texts, and answers restore"
    return f"no answer {entry_id!r}"


def _report(done: Invalidation, *, as_json: bool) -> None:
    if as_json:
        print_json({"count": done.count, "dry_run": done.dry_run, "revision": done.revision})
        return
    answers = "1 answer" if done.count == 1 else f"{done.count:,} answers"
    typer.echo(f"{answers} would be deleted" if done.dry_run else f"{answers} deleted")


def _tell(effect: Effect, *, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(effect))
        return
    reason = f": {first_line(effect.reason)}" if effect.reason else ""
    typer.echo(f"{effect.entry_id} {effect.action}{reason}")


def _cells(entry: CacheEntry) -> tuple[str, ...]:
    return (
        entry.id,
        entry.model,
        entry.tenant or "",
        ", ".join(entry.tags),
        moment(_at(entry.created)),
        "" if entry.expires is None else moment(_at(entry.expires)),
        first_line(entry.question or ""),
    )


def _plain(entry: CacheEntry) -> dict[str, Any]:
    expires = None if entry.expires is None else _at(entry.expires).isoformat()
    return {
        "id": entry.id,
        "model": entry.model,
        "tenant": entry.tenant,
        "user": entry.user,
        "tags": entry.tags,
        "born": _at(entry.created).isoformat(),
        "expires": expires,
        "question": entry.question,
        "text": entry.text,
    }


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
