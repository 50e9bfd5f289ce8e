"""Compile a manifest: read it, compare it with what is live, publish what differs as one bundle.

The bundle holds only for the versions that it was planned on, of what it changes and of what it
leaves alone: of two compilers at once the one that comes second fails, and plans again. So a fabric
never holds a mixture of two manifests of one name, or of two states of one. A text that a context
had before is published as a roll back would: after a revert the old answers are found again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cache_fabric.bundle import Bundle
from cache_fabric.context_answers import AnswerSum
from cache_fabric.errors import NotFound, ValidationError, VersionConflict
from cache_fabric.fabric import CacheFabric
from cache_fabric.line_files import Progress
from cache_fabric.nexus._checks import checked
from cache_fabric.nexus.lock_file import drift_of, lock_of, read_lock, write_lock
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.plan import LabelMove, Plan, PlannedChange, make_plan
from cache_fabric.nexus.plan_html import html_of_plan
from cache_fabric.nexus.published import metadata_of
from cache_fabric.records import ContextEntry
from cache_fabric.types import ContextScope
from cache_fabric.validation import check_label

__all__ = ["Compilation", "compile_manifest", "compile_manifest_sync"]

_TRIES = 10
_LONGEST_PAUSE = 0.02  # seconds, times the number of the try
_ANY_KEY = "manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What compiling a manifest came to.

    Attributes:
        plan: What it changes, or would change.
        revision: At which all of it became visible; ``None`` where nothing was published.
        versions: Current version of each context of the manifest; of a mere plan those that are
            live as the manifest says.
    """

    plan: Plan
    revision: int | None
    versions: Mapping[str, int]

    def _repr_html_(self) -> str:
        done = self.revision is not None
        told = f"published at revision {self.revision}" if done else "not published"
        return html_of_plan(self.plan, told)


async def compile_manifest(
    source: Any,
    fabric: CacheFabric,
    *,
    plan: bool = False,
    label: str | None = None,
    format: str | None = None,  # noqa: A002 - the word of the command's option
    name: str | None = None,
    lock: str | os.PathLike[str] | None = None,
    prune: bool = False,
    message: str | None = None,
    author: str | None = None,
    progress: Progress | None = None,
) -> Compilation:
    """Publish what a manifest says, all at one revision; nothing where nothing has changed.

    Args:
        source: A `Manifest`, or whatever `read_manifest` reads: a path, a mapping, a
            ``ManifestIR`` of `universal_agent_nexus`.
        fabric: Whose contexts are compared and written.
        plan: Only tell what would change, and how many answers would no longer be found.
        label: Points at the versions of this manifest afterwards.
        format: Of the source, as in `formats.FORMATS`; else found out.
        name: What the manifest is called in place of its own name. What it published before is
            known by it, so two manifests of one format need two names.
        lock: File for the versions and hashes, see `lock_file`.
        prune: Delete contexts that this manifest published and no longer has. One that does not
            say its name needs ``name`` for it: each project has a folder ``prompts``.
        message, author: Kept with the versions.
        progress: Is told how many answers of a plan are counted, of how many.

    Raises:
        ManifestError: The manifest or the lock file is broken, and nothing is published; or all is,
            and the lock file cannot be written.
        ValidationError: A bad argument, named.
        VersionConflict: Others published faster than this could be planned, several times.
        BackendError: The store failed.
    """
    # Reading 5 MB of YAML takes seconds, which are not the caller's loop's.
    return await asyncio.to_thread(
        compile_manifest_sync,
        source,
        fabric,
        plan=plan,
        label=label,
        format=format,
        name=name,
        lock=lock,
        prune=prune,
        message=message,
        author=author,
        progress=progress,
    )


def compile_manifest_sync(
    source: Any,
    fabric: CacheFabric,
    *,
    plan: bool = False,
    label: str | None = None,
    format: str | None = None,  # noqa: A002 - the word of the command's option
    name: str | None = None,
    lock: str | os.PathLike[str] | None = None,
    prune: bool = False,
    message: str | None = None,
    author: str | None = None,
    progress: Progress | None = None,
) -> Compilation:
    """As `compile_manifest`, blocking."""
    if label is not None:
        check_label(label)
    manifest = _read(source, format, name)
    if prune and not manifest.is_named:
        what = f"{manifest.name!r} is what the file or folder is called"
        expected = f"expected one to prune by: {what}, and that may be so in other projects"
        raise ValidationError("name", expected)
    about = {"message": message or _message(manifest), "author": author}
    bundle: Bundle | None = None
    for tries in range(1, _TRIES + 1):
        planned = _planned(manifest, fabric, label=label, lock=lock, prune=prune)
        if plan:
            planned = _with_answers(planned, fabric, progress)
        if plan or planned.is_empty:
            break
        try:
            bundle = _publish(planned, fabric, about)
            break
        except VersionConflict:
            if tries == _TRIES:
                raise
            time.sleep(random.random() * tries * _LONGEST_PAUSE)  # noqa: S311 - jitter
    written = [] if bundle is None else bundle.entries
    current = [*planned.unchanged, *(entry for entry in written if not entry.deleted)]
    versions = {entry.key: entry.version for entry in current}
    if lock is not None and not plan:
        write_lock(Path(lock), lock_of(manifest, versions))
    revision = None if bundle is None else bundle.revision
    return Compilation(plan=planned, revision=revision, versions=versions)


def _read(source: Any, form: str | None, name: str | None) -> Manifest:
    if not isinstance(source, Manifest):
        from cache_fabric.nexus.formats import read_manifest  # YAML

        return read_manifest(source, format=form, name=name)
    if form not in (None, source.format):
        raise ValidationError("format", f"this manifest was read as {source.format}")
    return checked(source if name is None else replace(source, name=name, is_named=True))


def _message(manifest: Manifest) -> str:
    version = "" if manifest.version is None else f" {manifest.version}"
    return f"compile {manifest.name}{version}"


def _planned(
    manifest: Manifest,
    fabric: CacheFabric,
    *,
    label: str | None,
    lock: str | os.PathLike[str] | None,
    prune: bool,
) -> Plan:
    live = _live_contexts(fabric)
    planned = make_plan(manifest, live, prune=prune)
    if label is not None:
        planned = replace(planned, labels=_label_moves(planned, fabric, label))
    locked = None if lock is None else read_lock(Path(lock), manifest)
    return planned if locked is None else replace(planned, drift=drift_of(locked, live))


def _live_contexts(fabric: CacheFabric) -> list[ContextEntry]:
    """Return what is live now: a plan on what this process knew a moment ago would only fail."""
    fabric.sync.get_context(_ANY_KEY, max_staleness=0.0)
    return fabric.sync.list_contexts()


def _label_moves(planned: Plan, fabric: CacheFabric, label: str) -> tuple[LabelMove, ...]:
    """Return where the label does not point yet, in the order of the manifest."""
    stays = {entry.key: entry for entry in planned.unchanged}
    changes = {change.key: change for change in planned.changes}
    moves: list[LabelMove] = []
    for context in planned.manifest.contexts:
        key, entry = context.key, stays.get(context.key)
        if entry is not None and label in entry.labels:
            continue
        live = changes[key].live if entry is None else entry
        before = None if live is None else _pointed_at(fabric, live, label)
        version = None if entry is None else entry.version
        moves.append(LabelMove(key=key, label=label, before=before, version=version))
    return tuple(moves)


def _pointed_at(fabric: CacheFabric, live: ContextEntry, label: str) -> int | None:
    if label in live.labels:
        return live.version
    try:
        found = fabric.sync.get_context(live.key, scope=ContextScope.GLOBAL, label=label)
    except NotFound:
        return None
    return None if found is None else int(found.version)


def _with_answers(planned: Plan, fabric: CacheFabric, progress: Progress | None) -> Plan:
    """Return the plan with the answers that its changes make unfindable."""
    counted = [c.key for c in planned.costing if c.live and isinstance(c.live.value, str)]
    sums = fabric.sync.count_answers(counted, progress=progress)
    changes = tuple(
        replace(change, answers=_known(change, sums.by_key.get(change.key)))
        for change in planned.changes
    )
    return replace(planned, changes=changes, answers=sums.total)


def _known(change: PlannedChange, found: AnswerSum | None) -> AnswerSum | None:
    """Return what was found, ``None`` where that says nothing: see `PlannedChange.is_least`."""
    return None if found is None or (change.is_least and not found.count) else found


def _publish(planned: Plan, fabric: CacheFabric, about: Mapping[str, str | None]) -> Bundle:
    with fabric.sync.publish(**about) as bundle:
        for change in planned.published:
            version = 0 if change.live is None else change.live.version
            if change.context is None:
                bundle.delete_context(change.key, if_version=version)
                continue
            bundle.set_context(
                change.key,
                change.value,
                metadata=metadata_of(planned.manifest, change.context),
                if_version=version,
                change=change.change or "behaviour",
                revive=True,
            )
        for entry in planned.unchanged:
            bundle.expect_context(entry.key, entry.version)
        added = {change.key for change in planned.of("add")}
        for move in planned.labels:
            if move.key in added:  # one that was deleted comes back with the labels that it had
                bundle.label_context(move.key, move.label, force=True)
                continue
            before = move.before or 0
            bundle.label_context(move.key, move.label, move.version, if_version=before)
    return bundle
