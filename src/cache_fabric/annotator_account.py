"""How much one annotator did lately, so that nobody empties a cache alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Account"]

_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one annotator did in the last hour: when, and by which feedback (digest)."""

    acts: tuple[tuple[float, str], ...] = ()

    def since(self, now: float) -> Account:
        """Return the account of the last hour."""
        return Account(acts=tuple(act for act in self.acts if act[0] > now - _HOUR))

    def charged(self, now: float, mark: str) -> Account:
        """Return the account with one more act."""
        return Account(acts=(*self.since(now).acts, (now, mark)))
