"""Whose data is meant: a tenant's or a user's."""

from __future__ import annotations

from dataclasses import dataclass

from cache_fabric.errors import ValidationError
from cache_fabric.validation import check_id

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A tenant, or a user of any tenant, or with both a user of that tenant.

    Raises:
        ValidationError: Neither is named, or a name is none.
    """

    tenant: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        if self.tenant is None and self.user is None:
            raise ValidationError("erase", "expected a user or a tenant")
        for name in ("tenant", "user"):
            if getattr(self, name) is not None:
                check_id(getattr(self, name), name)

    def owns(self, tenant: str | None, user: str | None) -> bool:
        """Return whether what is marked so is the subject's."""
        return self.tenant in (None, tenant) and self.user in (None, user)

    def terms(self) -> frozenset[tuple[str, str]]:
        """Return what the subject's documents are found by."""
        named = (("tenant", self.tenant), ("user", self.user))
        return frozenset((name, value) for name, value in named if value is not None)
