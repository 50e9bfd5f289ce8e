"""The events of a process that follows the change log."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ChangesEvent", "ResyncEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesEvent:
    """Contexts that somebody changed at one revision are what this process serves from now on.

    Attributes:
        revision: Of the change.
        count: How many changes of contexts it holds.
        seconds: From its commit until now, by the clocks of the store and of this process: as far
            as these differ, so does it, but it is not below 0.
    """

    revision: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncEvent:
    """This process missed changes, as the log was trimmed or went back, and read all anew.

    Attributes:
        revision: It serves from now on.
    """

    revision: int
