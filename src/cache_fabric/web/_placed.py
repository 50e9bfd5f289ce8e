"""Whose context is meant, as the query says it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cache_fabric.types import ContextScope

__all__ = ["Owned", "Placed", "Wide"]


class Owned(Struct, forbid_unknown_fields=True, kw_only=True):
    """Who reads: contexts of these are seen before those of everybody."""

    tenant: str | None = None
    user: str | None = None
    execution_id: str | None = None

    def ids(self) -> dict[str, Any]:
        """Return them as the facade takes them."""
        return {"tenant": self.tenant, "user": self.user, "execution_id": self.execution_id}


class Placed(Owned, forbid_unknown_fields=True, kw_only=True):
    """Where it is written."""

    scope: ContextScope = ContextScope.GLOBAL


class Wide(Struct, forbid_unknown_fields=True, kw_only=True):
    """A context of everybody, or of a tenant."""

    scope: ContextScope = ContextScope.GLOBAL
    tenant: str | None = None
