"""What a write does to a context: pure steps from a head to the next head.

A context is a *head* (what is current, its labels, the behaviour of every text it ever had) and one
immutable *body* a version. Versions start at 1 and are never reused, not even after a delete, which
is a version of its own without a value. A rollback is a new version with the old body and the old
behaviour number, so that the answers given under it are found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from cache_fabric.errors import NotFound, ValidationError, VersionConflict

__all__ = [
    "Body",
    "Change",
    "Delete",
    "Head",
    "Label",
    "Rollback",
    "SetValue",
    "Step",
    "Update",
    "advance",
    "digest",
]

Change = Literal["cosmetic", "behaviour", "breaking"]
PROTECTED_LABEL = "production"
_REMEMBERED_TEXTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One immutable version; ``at`` and ``expires`` are seconds since the epoch."""

    key: str
    scope: str
    version: int
    behaviour: int
    value: Any
    at: float
    metadata: dict[str, Any] = field(default_factory=dict)
    author: str | None = None
    message: str | None = None
    change: str = "behaviour"
    expires: float | None = None
    deleted: bool = False
    same_as: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is current of a context.

    Attributes:
        body: The current version.
        top_behaviour: The highest behaviour number ever given.
        labels: Version by label.
        texts: Behaviour by digest of every text value, latest last.
    """

    body: Body
    top_behaviour: int
    labels: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The outcome of an operation: the next head, and the body if it made one.

    ``author`` and ``message`` are those of a label's move; a version has its own in the body.
    """

    op: str
    head: Head
    body: Body | None = None
    before: int | None = None
    label: str | None = None
    author: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValue:
    """Write a value as the next version.

    With ``revive`` a text that the context had before gets the behaviour that it had then, as if it
    were rolled back to: the answers given under it are found again.
    """

    key: str
    scope: str
    value: Any
    metadata: Mapping[str, Any] | None = None
    change: Change = "behaviour"
    if_version: int | None = None
    ttl: float | None = None
    author: str | None = None
    message: str | None = None
    revive: bool = False

    def apply(self, head: Head | None, now: float) -> Step:
        """Return the step; raises `VersionConflict` when ``if_version`` is not current."""
        current = _version(head)
        _expect(self.key, self.if_version, 0 if _gone(head, now) else current, current)
        body = Body(
            key=self.key,
            scope=self.scope,
            version=current + 1,
            behaviour=self._behaviour(head, now),
            value=self.value,
            at=now,
            metadata=dict(self.metadata or {}),
            author=self.author,
            message=self.message,
            change=self.change,
            expires=None if self.ttl is None else now + self.ttl,
        )
        return _step("set", head, body)

    def _behaviour(self, head: Head | None, now: float) -> int:
        if head is None:
            return 1
        if self.change == "cosmetic" and not _gone(head, now):
            return head.body.behaviour
        before = head.texts.get(digest(self.value)) if isinstance(self.value, str) else None
        return before if self.revive and before is not None else head.top_behaviour + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Replace the value of a context that exists, or with ``merge`` part of a mapping."""

    key: str
    value: Any
    merge: bool
    if_version: int | None = None
    change: ClassVar[str] = "behaviour"

    def apply(self, head: Head | None, now: float) -> Step:
        """Return the step; raises `NotFound`, `VersionConflict` or `ValidationError`."""
        if head is None or _gone(head, now):
            raise NotFound(f"no context {self.key!r} to update: set_context makes it")
        old, value = head.body.value, self.value
        if self.merge:
            if not (isinstance(value, Mapping) and isinstance(old, Mapping)):
                raise ValidationError("merge", "expected mappings, both the old value and the new")
            value = {**old, **value}
        written = SetValue(
            key=self.key,
            scope=head.body.scope,
            value=value,
            metadata=head.body.metadata,
            if_version=self.if_version,
        )
        return replace(written.apply(head, now), op="update")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Make an earlier version current again, as a new version with its body and behaviour."""

    key: str
    old: Body
    author: str | None = None
    message: str | None = None
    change: ClassVar[str] = "rollback"

    def apply(self, head: Head | None, now: float) -> Step:
        """Return the step; raises `NotFound` when there is no such context."""
        if head is None:
            raise NotFound(f"no context {self.key!r}")
        body = replace(
            self.old,
            version=head.body.version + 1,
            at=now,
            author=self.author,
            message=self.message or f"roll back to version {self.old.version}",
            same_as=self.old.same_as or self.old.version,
            expires=None,
        )
        return _step("rollback", head, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Point a label at a version; moving ``production`` needs ``if_version`` or ``force``.

    Without a version it is the one that is current when the step is applied: of a bundle that
    writes the context, the one that the bundle makes.
    """

    key: str
    label: str
    version: int | None
    if_version: int | None = None
    force: bool = False
    author: str | None = None
    message: str | None = None
    change: ClassVar[str] = "label"

    def apply(self, head: Head | None, now: float) -> Step:
        """Return the step; raises `NotFound`, `VersionConflict` or `ValidationError`."""
        current = 0 if _gone(head, now) else _version(head)
        version = current if self.version is None else self.version
        if head is None or not 1 <= version <= head.body.version:
            raise NotFound(f"{self.key}: no version {version} to label")
        before = head.labels.get(self.label)
        if self.if_version is not None and (before or 0) != self.if_version:
            raise VersionConflict(f"{self.key}@{self.label}", before or 0, self.if_version)
        guarded = self.label == PROTECTED_LABEL and before not in (None, version)
        if guarded and self.if_version is None and not self.force:
            raise ValidationError(
                "label", f"{self.label!r} is protected: pass if_version={before} or force=True"
            )
        labels = {**head.labels, self.label: version}
        return Step(
            op="label",
            head=replace(head, labels=labels),
            before=before,
            label=self.label,
            author=self.author,
            message=self.message,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Leave a tombstone: a version without a value, which watchers see."""

    key: str
    if_version: int | None = None
    change: ClassVar[str] = "delete"

    def apply(self, head: Head | None, now: float) -> Step:
        """Return the step; raises `NotFound` or `VersionConflict`."""
        if head is None or _gone(head, now):
            raise NotFound(f"no context {self.key!r} to delete")
        _expect(self.key, self.if_version, head.body.version, head.body.version)
        body = replace(
            head.body, version=head.body.version + 1, value=None, at=now, deleted=True, same_as=None
        )
        return _step("delete", head, body)


def advance(head: Head | None, item: Mapping[str, Any], body: Body | None) -> Head | None:
    """Return the head after one item of the change log, as the writer's own step made it.

    A label of a context that this view does not know, or a version whose body is gone, changes
    nothing.
    """
    if item["op"] == "label":
        if head is None:
            return None
        return replace(head, labels={**head.labels, item["label"]: item["version"]})
    return None if body is None else _step(item["op"], head, body).head


def digest(text: str) -> str:
    """Return what a text is remembered by: SHA-256, cut to 128 bits, as hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _step(op: str, head: Head | None, body: Body) -> Step:
    texts = dict(head.texts) if head is not None else {}
    if isinstance(body.value, str):
        mark = digest(body.value)
        texts.pop(mark, None)
        texts[mark] = body.behaviour
        while len(texts) > _REMEMBERED_TEXTS:
            del texts[next(iter(texts))]
    top = max(body.behaviour, head.top_behaviour if head is not None else 0)
    following = Head(
        body=body, top_behaviour=top, labels=head.labels if head is not None else {}, texts=texts
    )
    return Step(op=op, head=following, body=body, before=_version(head) or None)


def _version(head: Head | None) -> int:
    return 0 if head is None else head.body.version


def _gone(head: Head | None, now: float) -> bool:
    if head is None or head.body.deleted:
        return True
    return head.body.expires is not None and head.body.expires <= now


def _expect(key: str, wanted: int | None, current: int, shown: int) -> None:
    if wanted is not None and wanted not in (current, shown):
        raise VersionConflict(key, shown, wanted)
