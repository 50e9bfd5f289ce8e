"""Values with their lines, built bottom up within limits; an alias is the value that it names.

What is shared is held once and never copied, but it counts every time it is named: whoever walks
the tree meets it as often. So a few lines of nested aliases cannot become gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from cache_fabric.errors import ManifestError

__all__ = ["Item", "Tree"]

_MOST_LEVELS = 64
_MOST_WEIGHT = 64 * 1024 * 1024
_VALUE_WEIGHT = 64


@dataclass(slots=True)
class Item:
    """A value: a list or dict of items, or plain.

    Attributes:
        data: ``list[Item]``, ``dict[str, Item]``, text, number, flag or ``None``.
        line: From 1, ``None`` of data that is no file.
        raw: A scalar as it is written.
        merges: As a key it is ``<<``, whose value is merged into the mapping.
        weight: Characters, and some for every value, as often as it is named.
        levels: 0 for a scalar.
    """

    data: Any
    line: int | None
    raw: str | None = None
    merges: bool = False
    weight: int = _VALUE_WEIGHT
    levels: int = 0


@dataclass(slots=True)
class _Open:
    item: Item
    anchor: str | None
    key: Item | None = None
    merged: list[Item] = field(default_factory=list)


class Tree:
    """Takes one document in pieces.

    Args:
        file: For messages.
    """

    def __init__(self, file: str | None) -> None:
        self.root: Item | None = None
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Item | None] = {}
        self._weight = 0

    def fail(self, expected: str, line: int | None) -> NoReturn:
        """Raise a `ManifestError` at this line and the key that is being read."""
        raise ManifestError(expected, file=self._file, line=line, field=self._field())

    def start(
        self, data: list[Any] | dict[str, Any], line: int | None, anchor: str | None = None
    ) -> None:
        """Begin a list or a mapping; until `end`, all that comes is inside it."""
        if len(self._open) >= _MOST_LEVELS:
            self.fail(f"expected at most {_MOST_LEVELS} levels", line)
        if anchor is not None:
            self._anchors[anchor] = None
        self._weigh(_VALUE_WEIGHT, line)
        self._open.append(_Open(Item(data, line), anchor))

    def end(self) -> None:
        """End the list or mapping that was begun last."""
        closed = self._open.pop()
        for merged in closed.merged:
            for key, item in merged.data.items():
                if key not in closed.item.data:
                    _put(closed.item, key, item)
        if closed.anchor is not None:
            self._anchors[closed.anchor] = closed.item
        self._add(closed.item)

    def scalar(
        self,
        data: Any,
        raw: str,
        line: int | None,
        anchor: str | None = None,
        *,
        merges: bool = False,
    ) -> None:
        """Add a plain value."""
        item = Item(data, line, raw, merges, _VALUE_WEIGHT + len(raw))
        self._weigh(item.weight, line)
        if anchor is not None:
            self._anchors[anchor] = item
        self._add(item)

    def alias(self, anchor: str, line: int | None) -> None:
        """Add what has this anchor once more."""
        if anchor not in self._anchors:
            self.fail(f"expected an anchor before its alias, there is no &{anchor} above", line)
        item = self._anchors[anchor]
        if item is None:
            self.fail(f"expected an end, *{anchor} stands inside what it names", line)
        if len(self._open) + item.levels > _MOST_LEVELS:
            self.fail(f"expected at most {_MOST_LEVELS} levels", line)
        self._weigh(item.weight, line)
        self._add(item)

    def _add(self, item: Item) -> None:
        if not self._open:
            self.root = item
            return
        inside = self._open[-1]
        if isinstance(inside.item.data, list):
            inside.item.data.append(item)
            _grow(inside.item, item)
        elif inside.key is None:
            self._begin_entry(inside, item)
        else:
            self._end_entry(inside, inside.key, item)

    def _begin_entry(self, inside: _Open, key: Item) -> None:
        if key.raw is None:
            self.fail("expected a key of text", key.line)
        inside.key = key
        first = inside.merged if key.merges else inside.item.data.get(key.raw)
        if first:
            self.fail(f"expected each key once, {key.raw!r:.40} stands above as well", key.line)

    def _end_entry(self, inside: _Open, key: Item, item: Item) -> None:
        if key.merges:
            merged = item.data if isinstance(item.data, list) else [item]
            if not all(isinstance(each.data, dict) for each in merged):
                self.fail("expected a mapping to merge, or a list of them", item.line)
            inside.merged += merged
        else:
            _put(inside.item, str(key.raw), item)
        inside.key = None

    def _weigh(self, weight: int, line: int | None) -> None:
        self._weight += weight
        if self._weight > _MOST_WEIGHT:
            self.fail("expected less: this is too much, every alias counted as what it names", line)

    def _field(self) -> str:
        path = ""
        for each in self._open:
            if isinstance(each.item.data, list):
                path += f"[{len(each.item.data)}]"
            elif each.key is not None:
                path += f".{each.key.raw}"
        return path.removeprefix(".")


def _put(mapping: Item, key: str, item: Item) -> None:
    mapping.data[key] = item
    mapping.weight += len(key)
    _grow(mapping, item)


def _grow(parent: Item, child: Item) -> None:
    parent.weight += child.weight
    parent.levels = max(parent.levels, child.levels + 1)
