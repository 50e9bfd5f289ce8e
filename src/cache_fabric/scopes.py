"""Scopes: whose context a key names; the id of a scope is part of the path, never a label. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.subject import Subject
from cache_fabric.types import ContextScope
from cache_fabric.validation import check_id, check_key

__all__ = ["SEPARATOR", "Owner", "check_scope", "is_of"]

SEPARATOR = "\x1f"
"""No key and no id may hold a control character, so joined parts stay apart."""

_NARROW_TO_WIDE = (ContextScope.EXECUTION, ContextScope.USER, ContextScope.TENANT)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose context is meant: the ids that a scope can be narrowed to.

    A user belongs to a tenant: the same user id under two tenants is two users.
    """

    tenant: str | None = None
    user: str | None = None
    execution_id: str | None = None

    def path(self, scope: ContextScope, key: str) -> str:
        """Return the path of a key in a scope; raises `ValidationError` without the scope's id."""
        return self.prefix(scope) + check_key(key)

    def prefix(self, scope: ContextScope) -> str:
        """Return what all paths of a scope start with."""
        return SEPARATOR.join((scope.value, *self._ids(scope), ""))

    def levels(self) -> tuple[ContextScope, ...]:
        """Return the scopes that a lookup without one goes through, from narrow to wide."""
        ids = {
            ContextScope.EXECUTION: self.execution_id,
            ContextScope.USER: self.user,
            ContextScope.TENANT: self.tenant,
        }
        named = (scope for scope in _NARROW_TO_WIDE if ids[scope] is not None)
        return (*named, ContextScope.GLOBAL)

    def _ids(self, scope: ContextScope) -> tuple[str, ...]:
        if scope is ContextScope.TENANT:
            return (check_id(self.tenant, "tenant"),)
        if scope is ContextScope.USER:
            tenant = "" if self.tenant is None else check_id(self.tenant, "tenant")
            return (tenant, check_id(self.user, "user"))
        if scope is ContextScope.EXECUTION:
            return (check_id(self.execution_id, "execution_id"),)
        return ()


def check_scope(scope: Any) -> ContextScope:
    """Return the scope, or raise `ValidationError` with the choices."""
    try:
        return ContextScope(scope)
    except ValueError:
        choices = ", ".join(ContextScope)
        raise ValidationError("scope", f"expected one of {choices}, got {scope!r:.40}") from None


def is_of(subject: Subject, runs: Container[str], path: str) -> bool:
    """Return whether a path is a subject's: its own, or that of one of its executions."""
    scope, *ids = path.split(SEPARATOR)[:-1]
    if scope == ContextScope.TENANT:
        return subject.owns(ids[0], None)
    if scope == ContextScope.USER:
        return subject.owns(ids[0] or None, ids[1])
    return scope == ContextScope.EXECUTION and ids[0] in runs
