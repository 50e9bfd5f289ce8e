"""``cache-fabric contexts``: read, write, compare and follow contexts."""

from __future__ import annotations

import asyncio
import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from cache_fabric.cli._context_input import (
    draft_of,
    fail_keeping,
    given_metadata,
    given_value,
    read_draft,
    run_editor,
)
from cache_fabric.cli._context_options import (
    Author,
    ChangeKind,
    Changes,
    Execution,
    IfVersion,
    Key,
    Message,
    Prefix,
    Scope,
    Tenant,
    User,
    found,
    opened_contexts,
    opened_fabric,
    shared_scope,
)
from cache_fabric.cli._context_views import (
    plain,
    print_changes,
    show_diff,
    show_entries,
    show_history,
    show_value,
    written_line,
)
from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.errors import CacheFabricError
from cache_fabric.scopes import Owner

__all__ = ["app"]

app = typer.Typer(help="Read, write, compare and follow contexts.", no_args_is_help=True)

_INTERRUPTED = 130


@app.command()
def ls(
    prefix: Prefix = "",
    tenant: Tenant = None,
    user: User = None,
    execution: Execution = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """List the current contexts whose key starts with PREFIX."""
    with opened_contexts(fabric) as contexts:
        entries = contexts.list_contexts(prefix, tenant=tenant, user=user, execution_id=execution)
    if json:
        print_json([plain(entry) for entry in entries])
    elif entries:
        show_entries(entries)
    else:
        typer.echo("No contexts.", err=True)


@app.command()
def get(
    key: Key,
    version: Annotated[int | None, typer.Option(help="This version.")] = None,
    label: Annotated[str | None, typer.Option(help="The version a label points at.")] = None,
    scope: Scope = None,
    tenant: Tenant = None,
    user: User = None,
    execution: Execution = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Print the value of a context; with ids, from the narrowest scope that has it."""
    owner = Owner(tenant, user, execution)
    with opened_contexts(fabric) as contexts:
        entry = found(contexts, key, scope, owner, version=version, label=label)
    if json:
        print_json(plain(entry))
    else:
        show_value(entry.value)


@app.command("set")
def set_value(
    key: Key,
    value: Annotated[
        str | None, typer.Argument(help="Text; - for standard input.", show_default=False)
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="Read the value from a file.")] = None,
    value_json: Annotated[bool, typer.Option("--value-json", help="The value is JSON.")] = False,
    change: Changes = ChangeKind.BEHAVIOUR,
    if_version: IfVersion = None,
    message: Message = None,
    author: Author = None,
    ttl: Annotated[float | None, typer.Option(help="Seconds until it is gone.")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object.")] = None,
    scope: Scope = None,
    tenant: Tenant = None,
    user: User = None,
    execution: Execution = None,
    fabric: FabricOption = None,
) -> None:
    """Write the next version of a context."""
    with opened_contexts(fabric) as contexts:
        entry = contexts.set_context(
            key,
            given_value(value, file, as_json=value_json),
            scope or Owner(tenant, user, execution).levels()[0],
            given_metadata(metadata),
            tenant=tenant,
            user=user,
            execution_id=execution,
            if_version=if_version,
            change=change.value,
            ttl=ttl,
            author=author,
            message=message,
        )
    typer.echo(written_line(entry))


@app.command()
def edit(
    key: Key,
    change: Changes = ChangeKind.BEHAVIOUR,
    message: Message = None,
    author: Author = None,
    scope: Scope = None,
    tenant: Tenant = None,
    user: User = None,
    execution: Execution = None,
    fabric: FabricOption = None,
) -> None:
    """Change a context in $VISUAL or $EDITOR; never overwrites what somebody wrote meanwhile."""
    with opened_contexts(fabric) as contexts:
        shown = found(contexts, key, scope, Owner(tenant, user, execution))
        draft = draft_of(shown.value)
        untouched = draft.read_bytes()
        try:
            run_editor(draft)
            value = read_draft(draft, shown.value)
            changed = json_module.dumps(value) != json_module.dumps(shown.value)
            saved = changed and contexts.set_context(
                key,
                value,
                shown.scope,
                shown.metadata,
                tenant=tenant,
                user=user,
                execution_id=execution,
                if_version=shown.version,
                change=change.value,
                author=author,
                message=message,
            )
        except CacheFabricError as error:
            fail_keeping(draft, untouched, error)
    draft.unlink()
    typer.echo(written_line(saved) if saved else f"{key} unchanged, nothing was written")


@app.command()
def log(
    key: Key, tenant: Tenant = None, fabric: FabricOption = None, json: JsonOption = False
) -> None:
    """Show every version of a context, oldest first."""
    with opened_contexts(fabric) as contexts:
        history = contexts.context_history(key, scope=shared_scope(tenant), tenant=tenant)
    if not history:
        fail(f"no context {key!r}")
    if json:
        print_json([plain(entry) for entry in history])
    else:
        show_history(history)


@app.command()
def diff(
    key: Key,
    a: Annotated[int, typer.Argument(help="The older version.")],
    b: Annotated[int, typer.Argument(help="The newer version.")],
    tenant: Tenant = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two versions of a context."""
    with opened_contexts(fabric) as contexts:
        lines = contexts.context_diff(key, a, b, scope=shared_scope(tenant), tenant=tenant)
    if json:
        print_json({"key": key, "a": a, "b": b, "diff": lines})
    elif lines:
        show_diff(lines)
    else:
        typer.echo(f"No line differs between versions {a} and {b}.", err=True)


@app.command()
def label(
    key: Key,
    name: Annotated[str, typer.Argument(show_default=False)],
    version: Annotated[int, typer.Argument(show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Move a protected label.")] = False,
    if_version: Annotated[
        int | None, typer.Option(help="Move it only from this version; 0 for a new label.")
    ] = None,
    tenant: Tenant = None,
    fabric: FabricOption = None,
) -> None:
    """Point a label at a version of a context."""
    with opened_contexts(fabric) as contexts:
        entry = contexts.label_context(
            key,
            name,
            version,
            if_version=if_version,
            force=force,
            scope=shared_scope(tenant),
            tenant=tenant,
        )
    typer.echo(f"{key}@{name} version {version} revision {entry.revision}")


@app.command()
def rollback(
    key: Key,
    version: Annotated[int, typer.Argument(show_default=False)],
    message: Message = None,
    author: Author = None,
    tenant: Tenant = None,
    fabric: FabricOption = None,
) -> None:
    """Make an earlier version current again, as a new version."""
    with opened_contexts(fabric) as contexts:
        entry = contexts.rollback_context(
            key, version, scope=shared_scope(tenant), tenant=tenant, author=author, message=message
        )
    typer.echo(written_line(entry))


@app.command()
def watch(
    prefix: Prefix = "",
    after: Annotated[
        int | None, typer.Option(min=0, help="Go on after this revision; else from now on.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    tenant: Tenant = None,
    user: User = None,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Print every change as it happens, one a line, until Ctrl-C."""
    try:
        with opened_fabric(fabric) as opened:
            # A watch waits out an outage without a word, so a store that cannot be opened at all
            # has to be told before it.
            opened.sync.list_contexts(prefix, tenant=tenant, user=user)
            changes = opened.watch(prefix, after, tenant=tenant, user=user)
            # asyncio turns Ctrl-C into a cancellation; raised in the blocking view, it could hit
            # a lock that the home loop's thread waits for.
            asyncio.run(print_changes(changes, count, as_json=json))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


@app.command()
def delete(
    key: Key, if_version: IfVersion = None, tenant: Tenant = None, fabric: FabricOption = None
) -> None:
    """Leave a tombstone; the history stays and a rollback brings the context back."""
    with opened_contexts(fabric) as contexts:
        entry = contexts.delete_context(
            key, if_version=if_version, scope=shared_scope(tenant), tenant=tenant
        )
    typer.echo(f"{written_line(entry)} deleted")
