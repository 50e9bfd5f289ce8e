"""What an erasure did, and what it could not do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cache_fabric.subject import Subject

__all__ = ["ErasedPlace", "Receipt", "Remaining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPlace:
    """One kind of data.

    Attributes:
        name: What it is.
        where: The backend or process that it was in.
        count: How many there were; ``None`` where they cannot be counted.
        state: ``done``, ``counted`` in a dry run, or why it is not done.
    """

    name: str
    where: str
    count: int | None
    state: str = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What may still be read somewhere, in a sentence, and until when.

    ``until`` is an aware datetime, ``None`` where only the sentence can say it.
    """

    what: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was erased of a subject, where, and what remains.

    Attributes:
        at: When it was done, aware UTC.
        complete: True when every place is done.
        dry_run: True when nothing was erased.
    """

    subject: Subject
    at: datetime
    places: tuple[ErasedPlace, ...]
    remaining: tuple[Remaining, ...]
    complete: bool
    dry_run: bool = False
