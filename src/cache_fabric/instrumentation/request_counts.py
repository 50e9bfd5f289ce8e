"""What became of requests, by model and graph, of which only so many pairs are kept.

The pairs that come first keep their names and all others are one, so that what is counted under a
name never goes down: a counter that did would look like a restarted process to who reads it. Over
several processes that holds as long as there are not too many pairs, or no process comes or ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["OTHER", "RequestCounts"]

OTHER = ("(other)", None)
_MOST = 200
_LONGEST = 128  # characters
_SEPARATOR = "\x1f"

Pair = tuple[str, str | None]


class RequestCounts:
    """Counts by a model and a graph, if there is one, and by what happened, in words of ours."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Pair, dict[str, int]] = {}

    def count(self, model: str, graph: str | None, what: str) -> None:
        """Count one."""
        pair = (model, graph)
        counts = self._counts.get(pair)
        if counts is None:
            counts = self._of(pair)
        counts[what] = counts.get(what, 0) + 1

    def add(self, other: RequestCounts, sign: int = 1) -> None:
        """Add the counts of another process, or with ``sign=-1`` take them off."""
        for pair, theirs in other._counts.items():
            mine = self._of(pair)
            for what, count in theirs.items():
                mine[what] = mine.get(what, 0) + sign * count

    def rows(self) -> Mapping[Pair, Mapping[str, int]]:
        """Return the counts of each pair."""
        return self._counts

    def by(self, name: Callable[[str, str], str]) -> Counter[str]:
        """Return the lookups of all pairs by a name made of outcome and tier, if it makes one."""
        found: Counter[str] = Counter()
        for counts in self._counts.values():
            for what, count in counts.items():
                outcome, is_lookup, tier = what.partition(".")
                if is_lookup and count and (named := name(outcome, tier)):
                    found[named] += count
        return found

    def plain(self) -> dict[str, dict[str, int]]:
        """Return the counts as plain data."""
        return {
            model if graph is None else f"{model}{_SEPARATOR}{graph}": dict(counts)
            for (model, graph), counts in self._counts.items()
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> RequestCounts:
        """Read back what `plain` wrote."""
        made = cls()
        for name, counts in data.items():
            model, separator, graph = name.partition(_SEPARATOR)
            made._counts[model, graph if separator else None] = dict(counts)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestCounts) and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]

    def _of(self, pair: Pair) -> dict[str, int]:
        model, graph = pair
        named: Pair = (_writable(model), None if graph is None else _writable(graph))
        if named not in self._counts and len(self._counts) >= _MOST:
            named = OTHER
        return self._counts.setdefault(named, {})


def _writable(name: str) -> str:
    return name[:_LONGEST].replace(_SEPARATOR, "?").encode(errors="replace").decode()
