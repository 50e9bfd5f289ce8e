"""The event of a label guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["GuardEvent", "GuardOutcome"]

GuardOutcome = Literal["moved", "would_move", "stuck", "fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEvent:
    """A guard of a label has fired, or could not be looked at.

    Attributes:
        outcome: ``moved``; ``would_move`` of one that only notes; ``stuck`` where there was no
            version to go back to; or ``fault``.
        key, label: What it guards; empty for a fault.
    """

    outcome: GuardOutcome
    key: str = ""
    label: str = ""
