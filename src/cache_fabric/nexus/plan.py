"""What publishing a manifest would change: its contexts against those that are live. Pure.

A context belongs to the manifest that published its current version, which is known by its name
and format from the metadata. What belongs to a manifest that no longer has it counts as removed.
What a manifest says and what is live are the same when their values are: that a text has moved to
another line is no reason for a new version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from cache_fabric.context_answers import AnswerSum
from cache_fabric.context_rules import Change
from cache_fabric.context_view import diff_of
from cache_fabric.nexus.change_class import change_class
from cache_fabric.nexus.manifest import Manifest, ManifestContext
from cache_fabric.nexus.plan_html import html_of_plan
from cache_fabric.nexus.published import content_hash, published_value
from cache_fabric.records import ContextEntry
from cache_fabric.template import variables

__all__ = ["Drift", "LabelMove", "Plan", "PlannedChange", "make_plan"]

Action = Literal["add", "change", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One context that a manifest adds, changes, or no longer has.

    Attributes:
        change: ``cosmetic``, ``behaviour`` or ``breaking`` of a changed one.
        value: What is published; ``None`` of a removed one.
        context: Of the manifest; ``None`` of a removed one.
        live: As it is now; ``None`` of an added one.
        instead_of: Whose the live version is where it is not this manifest's, in words: it is
            about to be replaced or deleted.
        answers: Kept answers with the live text as a system message, which are no longer found
            after it; ``None`` where they were not counted, or cannot be: an answer does not say
            which tools its call had, nor which of two contexts it is from where both have its text.
    """

    key: str
    action: Action
    change: Change | None = None
    value: Any = None
    context: ManifestContext | None = None
    live: ContextEntry | None = None
    instead_of: str | None = None
    answers: AnswerSum | None = None

    @property
    def is_least(self) -> bool:
        """Whether there may be more answers: the live text has variables, and only hosts that fill
        them in by this library tell the text."""
        return self.live is not None and bool(self.live.variables)

    @property
    def diff(self) -> str:
        """Unified diff from the live value to the new one; empty but for a changed one."""
        if self.action != "change" or self.live is None:
            return ""
        version = self.live.version
        names = (f"{self.key}@{version}", f"{self.key}@{version + 1}")
        return diff_of(self.live.value, self.value, *names)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMove:
    """A label that is to point elsewhere.

    Attributes:
        before: Version that it points at; ``None`` where it does not exist or nobody can know.
        version: Version that it will point at; ``None`` for the one that is published with it.
    """

    key: str
    label: str
    before: int | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A context that is not as a lock file says it was left.

    Attributes:
        locked: Version in the lock file.
        live: Version now, ``None`` where it is gone.
        why: In words.
    """

    key: str
    locked: int
    live: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What compiling a manifest changes.

    Attributes:
        manifest: That was read.
        changes: In the order of the manifest; what was removed comes last.
        unchanged: Contexts of the manifest that are live as it says.
        labels: That move.
        prune: Whether what was removed is deleted; else it stays, for agents may still read it.
        drift: Where a lock file disagrees with what is live.
        answers: Kept answers that all changes together make unfindable, as far as that is known;
            ``None`` where they were not counted.
    """

    manifest: Manifest
    changes: tuple[PlannedChange, ...]
    unchanged: tuple[ContextEntry, ...]
    labels: tuple[LabelMove, ...] = ()
    prune: bool = False
    drift: tuple[Drift, ...] = ()
    answers: AnswerSum | None = None

    def of(self, action: Action) -> tuple[PlannedChange, ...]:
        """Return the changes of one kind."""
        return tuple(change for change in self.changes if change.action == action)

    @property
    def published(self) -> tuple[PlannedChange, ...]:
        """The changes that publishing makes: without removed contexts that stay."""
        return tuple(c for c in self.changes if c.action != "remove" or self.prune)

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to publish."""
        return not self.published and not self.labels

    @property
    def costing(self) -> tuple[PlannedChange, ...]:
        """The changes after which answers are no longer found: not added, and not cosmetic."""
        return tuple(
            change
            for change in self.published
            if change.action == "remove" or change.change in ("behaviour", "breaking")
        )

    def _repr_html_(self) -> str:
        return html_of_plan(self)


def make_plan(manifest: Manifest, live: Iterable[ContextEntry], *, prune: bool = False) -> Plan:
    """Compare a manifest with the live contexts.

    Args:
        manifest: To be published.
        live: All current contexts of the global scope.
        prune: Whether contexts that it no longer has are deleted.
    """
    there = {entry.key: entry for entry in live}
    changes: list[PlannedChange] = []
    unchanged: list[ContextEntry] = []
    for context in manifest.contexts:
        value, entry = published_value(context), there.get(context.key)
        if entry is None:
            added = PlannedChange(key=context.key, action="add", value=value, context=context)
            changes.append(added)
            continue
        change = _class_of(context, value, entry)
        if change is None:
            unchanged.append(entry)
            continue
        changed = PlannedChange(
            key=context.key,
            action="change",
            change=change,
            value=value,
            context=context,
            live=entry,
            instead_of=_whose(entry, manifest),
        )
        changes.append(changed)
    kept = {context.key for context in manifest.contexts}
    gone = sorted(key for key in there.keys() - kept if _is_of(there[key], manifest))
    for key in gone:
        whose = _whose(there[key], manifest)
        removed = PlannedChange(key=key, action="remove", live=there[key], instead_of=whose)
        changes.append(removed)
    return Plan(manifest=manifest, changes=tuple(changes), unchanged=tuple(unchanged), prune=prune)


def _class_of(context: ManifestContext, value: Any, entry: ContextEntry) -> Change | None:
    known = entry.metadata.get("variables")
    if isinstance(known, list):
        before, now = tuple(known), context.variables
    else:  # no compiler has said what the live text asks for, so both are looked at alike
        before, now = entry.variables, variables(value) if isinstance(value, str) else ()
    return change_class(entry.value, value, context.kind, asked_before=before, asks=now)


def _is_of(entry: ContextEntry, manifest: Manifest) -> bool:
    by = (entry.metadata.get("manifest"), entry.metadata.get("format"))
    return by == (manifest.name, manifest.format)


def _whose(entry: ContextEntry, manifest: Manifest) -> str | None:
    """Return who made the current version, ``None`` where this manifest has."""
    who, said = entry.author or "somebody", entry.metadata
    if not _is_of(entry, manifest):
        other = said.get("manifest")
        if other is None:
            return f"{who} has set it, no manifest"
        return f"it is of manifest {other} ({said.get('format')})"
    if entry.same_as is not None:
        return f"{who} has rolled it back to version {entry.same_as}"
    # An update keeps the metadata of what it changes.
    is_ours = said.get("hash") == content_hash(entry.value)
    return None if is_ours else f"{who} has changed it since"
