"""Records that callers read: attributes for people, items for code written against the seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from cache_fabric.types import ContextScope

__all__ = ["ContextEntry", "Execution", "Feedback", "SimilarItem"]


class _BothWays:
    """Reads as ``entry.value`` and as ``entry["value"]``."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the field, or the default when there is no such field."""
        return getattr(self, name) if name in self.keys() else default

    def keys(self) -> list[str]:
        """Return the names of the fields, so that ``dict(entry)`` works."""
        return [f.name for f in fields(self)]  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry(_BothWays):
    """One version of a context. Truthy; what is not there is ``None`` instead.

    Attributes:
        version: 1 for the first, never reused.
        behaviour: Grows with every change that is not cosmetic; answers belong to a behaviour.
        revision: Position of the write in the change log.
        timestamp: When it was written, aware UTC.
    """

    key: str
    value: Any
    scope: ContextScope
    version: int
    behaviour: int
    revision: int
    timestamp: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    author: str | None = None
    message: str | None = None

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback(_BothWays):
    """What somebody said of an execution; ``data`` is the dictionary as it was given."""

    execution_id: str
    data: Mapping[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(_BothWays):
    """One tracked run of a graph, with the feedback it got."""

    execution_id: str
    graph_name: str
    state: Mapping[str, Any]
    timestamp: datetime
    tags: tuple[str, ...] = ()
    feedback: tuple[Feedback, ...] = ()

    @property
    def status(self) -> str | None:
        """The ``status`` of the state, if it names one."""
        status = self.state.get("status")
        return None if status is None else str(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarItem(_BothWays):
    """One result of a search by meaning; similarity is 1.0 for the same text."""

    key: str
    value: Any
    similarity: float
    metadata: Mapping[str, Any]
