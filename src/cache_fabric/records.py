"""Records that callers read: attributes for people, items for code written against the seed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from cache_fabric.errors import ValidationError
from cache_fabric.run_state import RunState
from cache_fabric.template import fill, variables
from cache_fabric.types import ContextScope
from cache_fabric.viewed import Viewed
from cache_fabric.votes import Annotator, Effect, Verdict

__all__ = [
    "ContextChange",
    "ContextDiff",
    "ContextEntry",
    "ContextSnapshot",
    "Execution",
    "Feedback",
    "Freshness",
    "Page",
    "Resync",
    "SimilarItem",
    "Superseded",
]


T = TypeVar("T")


class Page(list[T]):
    """What was found, newest first, a page at a time.

    Attributes:
        cursor: Asks for the next page; ``None`` at the end.
    """

    def __init__(self, items: Iterable[T] = (), cursor: str | None = None) -> None:
        super().__init__(items)
        self.cursor = cursor


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


class Freshness:
    """How current a live view is; shared by every entry that was read from it.

    Attributes:
        confirmed: Monotonic seconds when the view was last known to be current.
        connected: False from the first failure of the watch until it is current again.
    """

    __slots__ = ("confirmed", "connected")

    def __init__(self) -> None:
        self.confirmed = time.monotonic()
        self.connected = True

    def age(self) -> float:
        """Seconds since the view was last known to be current."""
        return max(0.0, time.monotonic() - self.confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry(_BothWays, Viewed):
    """One version of a context. Truthy; what is not there is ``None`` instead.

    Attributes:
        version: 1 for the first, never reused.
        behaviour: Grows with every change that is not cosmetic; answers belong to a behaviour.
        revision: Position of the write in the change log.
        timestamp: When it was written, aware UTC.
        labels: Names that point at this version.
        change: ``cosmetic``, ``behaviour`` or ``breaking``.
        deleted: True for the tombstone that a delete leaves in the history.
        same_as: Version whose body a rollback brought back.
        expires: When it is gone, aware UTC; ``None`` for never.
        looked_at: Scopes that the lookup went through, from narrow to wide.
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
    labels: tuple[str, ...] = ()
    change: str = "behaviour"
    deleted: bool = False
    same_as: int | None = None
    expires: datetime | None = None
    looked_at: tuple[ContextScope, ...] = ()
    freshness: Freshness = field(default_factory=Freshness, repr=False, compare=False)

    def __bool__(self) -> bool:
        return True

    @property
    def age(self) -> float:
        """Seconds since this process last knew that the entry is current."""
        return self.freshness.age()

    @property
    def stale(self) -> bool:
        """True while the fabric cannot tell whether the entry is still current."""
        return not self.freshness.connected

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the ``{variables}`` and ``{{variables}}`` in a text value."""
        return variables(self.value) if isinstance(self.value, str) else ()

    def render(self, **values: Any) -> str:
        """Return the text with its variables filled; raises `ValidationError` for missing ones."""
        if not isinstance(self.value, str):
            raise ValidationError("render", f"{self.key} is not text")
        return fill(self.value, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSnapshot(_BothWays):
    """All contexts that an owner sees, as of one revision.

    Attributes:
        revision: `watch` goes on after it without a gap.
        entries: By key; of a key in several scopes the narrowest.
        stale: True while the fabric cannot tell whether they are still current.
    """

    revision: int
    entries: tuple[ContextEntry, ...]
    stale: bool = False


class ContextDiff(str, Viewed):
    """A unified diff of two versions: a text, which a notebook shows in colours."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChange(_BothWays):
    """One key changed.

    Attributes:
        revision: Position in the change log; the keys of one bundle share it.
        op: ``set``, ``update``, ``rollback``, ``label`` or ``delete``.
        version: Version that is current now, or that the label points at.
        before: Version that was current, or that the label pointed at.
        last: True for the last key of its revision: only then is ``revision`` safe to resume from.
    """

    revision: int
    at: datetime
    op: str
    key: str
    scope: ContextScope
    version: int
    behaviour: int
    before: int | None = None
    label: str | None = None
    author: str | None = None
    message: str | None = None
    last: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync(_BothWays):
    """Changes were missed (the log was trimmed): take a snapshot, go on after ``revision``."""

    revision: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(_BothWays):
    """What somebody had said before it was replaced."""

    data: Mapping[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback(_BothWays):
    """What somebody said of an execution, and what came of it.

    Attributes:
        data: The dictionary as it was given; a remark is in it beside what it was made on.
        timestamp: When it was said last, aware UTC.
        id: Of one execution, name and annotator; the same again replaces it.
        verdict: Of the answer: ``good``, ``bad``, or ``None`` where nothing says so.
        score: From 0 to 1, ``None`` if unknown.
        annotator: ``HUMAN``, ``LLM`` or ``CODE``.
        annotator_id: Who; ``None`` where nobody was named.
        trusted: Whether it may act alone.
        tenant, user, graph, contexts: Of the run; each context with the version it was used in.
        effects: What it did to the answers of the run when it was recorded.
        supersedes: The last few that it replaced, newest first.
    """

    execution_id: str
    data: Mapping[str, Any]
    timestamp: datetime
    id: str
    name: str = "feedback"
    verdict: Verdict | None = None
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    annotator: Annotator = "HUMAN"
    annotator_id: str | None = None
    trusted: bool = True
    tenant: str | None = None
    user: str | None = None
    graph: str | None = None
    contexts: tuple[tuple[str, int | None], ...] = ()
    effects: tuple[Effect, ...] = ()
    supersedes: tuple[Superseded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(_BothWays, RunState, Viewed):
    """One tracked run of a graph, with the feedback it got.

    Attributes:
        state: What the run left: input, output, steps and whatever else the host wrote down.
        timestamp: When it was handed in, or when it began if it was started; aware UTC.
        tenant, user: Whose run it is.
        durability: What the write of it survives, where `track_execution` waited for it.
        complete: False while it runs, and for one whose steps were not all kept.
        gaps: Places in the order of its steps, from 0, whose step is not there.
        similarity: To the text of a search by meaning, else ``None``.
    """

    execution_id: str
    graph_name: str
    state: Mapping[str, Any]
    timestamp: datetime
    tags: tuple[str, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    tenant: str | None = None
    user: str | None = None
    durability: str | None = None
    complete: bool = True
    gaps: tuple[int, ...] = ()
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarItem(_BothWays):
    """One result of a search by meaning; similarity is 1.0 for the same text."""

    key: str
    value: Any
    similarity: float
    metadata: Mapping[str, Any]
