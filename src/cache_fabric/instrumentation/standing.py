"""How a process stands: what is so now, where sums say what has happened."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one process stands.

    Attributes:
        revision: Of the contexts that it serves, ``None`` before it has read them.
        connected: Whether it follows the change log; ``None`` as well.
        quarantined, pinned: Answers under a verdict of that kind; ``None`` as well.
        queued: Runs that wait to be written.
        wrote_at: When a run was written last, in seconds since the epoch; ``None`` before.
        budget: The share of wrong answers that its policy may serve, ``None`` if it states none.
    """

    revision: int | None
    connected: bool | None
    quarantined: int | None
    pinned: int | None
    queued: int
    wrote_at: float | None
    budget: float | None
