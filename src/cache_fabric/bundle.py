"""Several context changes that become visible at one revision, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cache_fabric.context_rules import Change, Delete, Head, Label, SetValue
from cache_fabric.context_view import is_there
from cache_fabric.contexts import Operation
from cache_fabric.errors import ValidationError, VersionConflict
from cache_fabric.records import ContextEntry
from cache_fabric.scopes import Owner, check_scope
from cache_fabric.types import ContextScope
from cache_fabric.validation import check_json, check_key, check_label, check_ttl

__all__ = ["Bundle", "Expect", "deletion", "labelling", "setting"]

Planned = tuple[str, Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Changes nothing, and lets a bundle fail that was made for another version of a context."""

    key: str
    version: int
    change: ClassVar[None] = None

    def apply(self, head: Head | None, now: float) -> None:
        """Raise `VersionConflict` unless the version is current."""
        current = 0 if head is None else head.body.version
        if head is None or not is_there(head, now) or current != self.version:
            raise VersionConflict(self.key, current, self.version)


class Bundle:
    """Collects changes; its methods check their arguments at once and write nothing.

    Attributes:
        entries: After the end of the ``with`` block: the entries as written, in order.
        revision: The revision of all of them.
    """

    def __init__(self, author: str | None, message: str | None) -> None:
        self.planned: list[Planned] = []
        self.entries: list[ContextEntry] = []
        self._about = (author, message)

    @property
    def revision(self) -> int | None:
        """Revision at which the bundle became visible, ``None`` before and for an empty one."""
        return self.entries[0].revision if self.entries else None

    def set_context(
        self,
        key: str,
        value: Any,
        scope: ContextScope = ContextScope.GLOBAL,
        metadata: Mapping[str, Any] | None = None,
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
        if_version: int | None = None,
        change: Change = "behaviour",
        ttl: float | None = None,
        revive: bool = False,
    ) -> None:
        """Plan the next version of a context.

        With ``revive`` a text that it had before finds the answers given under it again.
        """
        owner = Owner(tenant, user, execution_id)
        about = self._about
        path, step = setting(key, value, scope, metadata, owner, if_version, change, ttl, about)
        self.planned.append((path, replace(step, revive=revive)))

    def label_context(
        self,
        key: str,
        label: str,
        version: int | None = None,
        *,
        if_version: int | None = None,
        force: bool = False,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> None:
        """Plan to move a label; without a version to the one that the bundle makes or finds."""
        owner = Owner(tenant)
        planned = labelling(key, label, version, scope, owner, if_version, force, self._about)
        self.planned.append(planned)

    def delete_context(
        self,
        key: str,
        *,
        if_version: int | None = None,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> None:
        """Plan a tombstone."""
        self.planned.append(deletion(key, scope, Owner(tenant), if_version))

    def expect_context(
        self,
        key: str,
        version: int,
        *,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> None:
        """Let the bundle fail with `VersionConflict` unless this version is current.

        For what the bundle leaves as it is and yet was made for.
        """
        expected = Expect(key=check_key(key), version=_whole(version))
        self.planned.append((Owner(tenant).path(check_scope(scope), key), expected))


def setting(
    key: str,
    value: Any,
    scope: Any,
    metadata: Mapping[str, Any] | None,
    owner: Owner,
    if_version: int | None,
    change: Change,
    ttl: float | None,
    about: tuple[str | None, str | None] = (None, None),
) -> tuple[str, SetValue]:
    """Check the arguments of a write and return it; raises `ValidationError`."""
    if change not in ("cosmetic", "behaviour", "breaking"):
        raise ValidationError("change", f"expected cosmetic, behaviour or breaking, got {change!r}")
    level = check_scope(scope)
    operation = SetValue(
        key=key,
        scope=level.value,
        value=check_json(value),
        metadata=check_json(dict(metadata or {}), "metadata"),
        change=change,
        if_version=if_version,
        ttl=check_ttl(ttl),
        author=about[0],
        message=about[1],
    )
    return owner.path(level, key), operation


def labelling(
    key: str,
    label: str,
    version: int | None,
    scope: Any,
    owner: Owner,
    if_version: int | None,
    force: bool,
    about: tuple[str | None, str | None] = (None, None),
) -> Planned:
    """Check the arguments of a label and return it; raises `ValidationError`."""
    operation = Label(
        key=check_key(key),
        label=check_label(label),
        version=None if version is None else _whole(version),
        if_version=if_version,
        force=force,
        author=about[0],
        message=about[1],
    )
    return owner.path(check_scope(scope), key), operation


def deletion(key: str, scope: Any, owner: Owner, if_version: int | None) -> Planned:
    """Check the arguments of a delete and return it; raises `ValidationError`."""
    path = owner.path(check_scope(scope), key)
    return path, Delete(key=key, if_version=if_version)


def _whole(version: Any) -> int:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValidationError("version", f"expected a whole number from 1, got {version!r}")
    return version
