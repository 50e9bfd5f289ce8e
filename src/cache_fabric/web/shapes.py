"""How records look as JSON, where the record itself holds more than a reader needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from cache_fabric.records import ContextEntry

__all__ = ["Context", "Contexts", "context"]


class Context(Struct, kw_only=True):
    """One version of a context; times are ISO 8601 in UTC."""

    key: str
    value: Any
    scope: str
    version: int
    behaviour: int
    revision: int
    timestamp: datetime
    metadata: dict[str, Any]
    author: str | None
    message: str | None
    labels: list[str]
    change: str
    deleted: bool
    same_as: int | None
    expires: datetime | None
    stale: bool


class Contexts(Struct, kw_only=True):
    """Several of them."""

    items: list[Context]


def context(entry: ContextEntry) -> Context:
    """Return an entry as it is answered."""
    return msgspec.convert(entry, Context, from_attributes=True)
