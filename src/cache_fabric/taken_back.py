"""What was taken back: answers that were invalidated, and that a subject's data was erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Erased", "Invalidation", "Retired"]


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What an invalidation did, or would do.

    Attributes:
        count: Answers that were meant.
        dry_run: True when nothing was deleted.
        revision: Position in the change log by which other processes hear of it.
    """

    count: int
    dry_run: bool = False
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Retired:
    """Answers that some process invalidated.

    Attributes:
        origin: Whose doing it was; a fabric passes over its own.
        named: What was asked for, by name; empty for all answers.
        keys: Exact keys of the answers, ``None`` where they are too many to be told.
    """

    origin: str
    named: Mapping[str, str]
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Erased:
    """Some process erased a subject's data; whose is not said.

    Attributes:
        places: What the keys of erased values begin with.
        tenant: Keyed hash of the tenant whose name is to be forgotten.
    """

    places: tuple[str, ...] = ()
    tenant: str | None = None
