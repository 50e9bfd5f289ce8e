"""The event of contexts that are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cache_fabric.errors import NotFound, ValidationError, VersionConflict

__all__ = ["PublishEvent", "Written", "event_of_write"]

_GRAVEST_FIRST = ("breaking", "behaviour", "cosmetic", "rollback", "delete", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvent:
    """Contexts were written at one revision, or were not.

    Attributes:
        outcome: ``published``; or nothing was written: ``conflict`` where a compare-and-set lost,
            ``refused`` where the rules forbid it, ``failed`` where the store did.
        change: The gravest of it: ``breaking``, ``behaviour``, ``cosmetic``, ``rollback``,
            ``delete`` or ``label``.
        keys: Of the contexts, without their owners.
        seconds: What it took.
        revision: At which they can be seen.
    """

    outcome: Literal["published", "conflict", "refused", "failed"]
    change: str
    keys: tuple[str, ...]
    seconds: float
    revision: int | None = None


class Written(Protocol):
    """What is written of one context; ``change`` is ``None`` where only its version is expected."""

    @property
    def key(self) -> str: ...

    @property
    def change(self) -> str | None: ...


def event_of_write(
    writes: Sequence[Written], seconds: float, came_of_it: int | Exception | None
) -> PublishEvent:
    """Return the event of a write that ended at a revision, or in an error."""
    revision = came_of_it if isinstance(came_of_it, int) else None
    return PublishEvent(
        outcome=_outcome(came_of_it) if isinstance(came_of_it, Exception) else "published",
        change=_gravest(write.change for write in writes),
        keys=tuple(dict.fromkeys(write.key for write in writes if write.change is not None)),
        seconds=seconds,
        revision=revision,
    )


def _outcome(error: Exception) -> Literal["conflict", "refused", "failed"]:
    if isinstance(error, VersionConflict):
        return "conflict"
    return "refused" if isinstance(error, NotFound | ValidationError) else "failed"


def _gravest(changes: Iterable[str | None]) -> str:
    known = [_GRAVEST_FIRST.index(change) for change in changes if change is not None]
    return _GRAVEST_FIRST[min(known, default=-1)]
