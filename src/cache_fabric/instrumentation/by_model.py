"""What became of requests, by model, of which only so many names are kept.

The models that come first keep their names and all others are one, so that what is counted under a
name never goes down: a counter that did would look like a restarted process to who reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["OTHER", "ByModel"]

OTHER = "(other)"
_MOST_NAMES = 100
_LONGEST = 128  # characters


class ByModel:
    """Counts by model and by what happened, in words of ours."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, model: str, what: str) -> None:
        """Count one."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._of(model)
        counts[what] = counts.get(what, 0) + 1

    def add(self, other: ByModel, sign: int = 1) -> None:
        """Add the counts of another process, or with ``sign=-1`` take them off."""
        for model, theirs in other._counts.items():
            mine = self._of(model)
            for what, count in theirs.items():
                mine[what] = mine.get(what, 0) + sign * count

    def plain(self) -> dict[str, dict[str, int]]:
        """Return the counts as plain data."""
        return {model: dict(counts) for model, counts in self._counts.items()}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ByModel:
        """Read back what `plain` wrote."""
        made = cls()
        made._counts = {model: dict(counts) for model, counts in data.items()}
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByModel) and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]

    def _of(self, model: str) -> dict[str, int]:
        name = model[:_LONGEST].encode(errors="replace").decode()
        if name not in self._counts and len(self._counts) >= _MOST_NAMES:
            name = OTHER
        return self._counts.setdefault(name, {})
