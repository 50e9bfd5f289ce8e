"""How records look as JSON, where the record itself holds more than a reader needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from cache_fabric.records import ContextEntry
from cache_fabric.scopes import SEPARATOR
from cache_fabric.types import CacheEntry, Usage

__all__ = ["Answer", "Context", "Contexts", "answer", "context", "use_of"]


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


class Answer(Struct, kw_only=True):
    """A kept answer with what is known of the call that produced it.

    ``created`` and ``expires`` are seconds since the epoch, ``cost_micros`` millionths of a dollar.
    """

    id: str
    payload: Any
    text: str
    question: str | None
    model: str
    created: float
    expires: float | None
    tenant: str | None
    user: str | None
    tags: tuple[str, ...]
    contexts: list[ContextUse]
    usage: Usage | None
    cost_micros: int | None
    latency: float | None
    origin: str | None


class ContextUse(Struct):
    """A context that an answer was given under, and the behaviour that it had."""

    key: str
    scope: str
    behaviour: int


def answer(entry: CacheEntry) -> Answer:
    """Return a kept answer as it is answered."""
    shown = {name: getattr(entry, name) for name in Answer.__struct_fields__ if name != "contexts"}
    return Answer(**shown, contexts=[use_of(path, number) for path, number in entry.contexts])


def use_of(path: str, behaviour: int) -> ContextUse:
    """Return the path and behaviour of a context in words of their own."""
    scope, *_, key = path.split(SEPARATOR)
    return ContextUse(key, scope, behaviour)
