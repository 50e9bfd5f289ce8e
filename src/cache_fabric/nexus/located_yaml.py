"""YAML and JSON whose every value knows its place, so that an error can name file, line and field.

::

    root = load(Source.of_file(Path("manifest.yaml")))
    for router in root.each("routers"):
        name = router.text("name")  # ManifestError: manifest.yaml:12: routers[0].name: is required
        prompt = router.find("system_message")  # a Value, or None

Both are read alike: one document, text keys, no key twice, JSON data only, at most 64 levels and as
much as `_tree` allows with every alias counted as what it names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cache_fabric.errors import ManifestError
from cache_fabric.nexus._json_text import read_json
from cache_fabric.nexus._tree import Item, Tree
from cache_fabric.nexus._yaml_text import read_yaml
from cache_fabric.nexus.manifest import Place
from cache_fabric.nexus.source import Source

__all__ = ["Source", "Value", "load", "load_data"]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a document and the way to it.

    ``None`` and a key that is not there are one thing: nothing was said. Where text is asked for, a
    number, a flag or a date is the text that is written: ``version: 1.10`` is ``"1.10"`` and
    ``route: no`` is ``"no"``.
    """

    _item: Item
    _file: str | None
    field: str = ""

    @property
    def place(self) -> Place:
        """Where it stands; of an alias, where what it names stands."""
        return Place(file=self._file, line=self._item.line, field=self.field)

    @property
    def is_text(self) -> bool:
        """Whether it is a text, and not a number, flag, list or mapping."""
        return isinstance(self._item.data, str)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self._item.data, list)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self._item.data, dict)

    def error(self, expected: str, key: str = "") -> ManifestError:
        """Return the error to raise for this value, or for a key of it."""
        field = self._below(key) if key else self.field
        return ManifestError(expected, file=self._file, line=self._item.line, field=field)

    def plain(self) -> Any:
        """Return it as plain JSON data, a copy of its own."""
        return _plain(self._item)

    def as_text(self) -> str:
        """Return it as text; raises `ManifestError` for a list, a mapping or nothing."""
        if self._item.raw is None or self._item.data is None:
            raise self.error(f"expected text, got {self._kind()}")
        return self._item.raw

    def each(self, key: str = "") -> list[Value]:
        """Return the values of a list, or of the list that is said of a key: none for nothing."""
        if key:
            found = self.find(key)
            return [] if found is None else found.each()
        if not self.is_list:
            raise self.error(f"expected a list, got {self._kind()}")
        return [
            Value(item, self._file, f"{self.field}[{position}]")
            for position, item in enumerate(self._item.data)
        ]

    def items(self) -> Iterator[tuple[str, Value]]:
        """Iterate over the keys of a mapping, with what was said of them."""
        for key, item in self._entries().items():
            if item.data is not None:
                yield key, Value(item, self._file, self._below(key))

    def find(self, key: str) -> Value | None:
        """Return what a mapping says of a key, ``None`` for nothing."""
        item = self._entries().get(key)
        if item is None or item.data is None:
            return None
        return Value(item, self._file, self._below(key))

    def need(self, key: str, expected: str = "is required") -> Value:
        """Return what a mapping says of a key; raises `ManifestError` for nothing."""
        found = self.find(key)
        if found is None:
            raise self.error(expected, key)
        return found

    def text(self, key: str) -> str:
        """Return a text that has to be there and not be empty."""
        text = self.need(key).as_text()
        if not text:
            raise self.need(key).error("expected text of at least one character")
        return text

    def text_or(self, key: str, default: str | None = None) -> str | None:
        """Return a text, or the default for nothing."""
        found = self.find(key)
        return default if found is None else found.as_text()

    def mapping(self, key: str) -> dict[str, Any]:
        """Return what is said of a key as plain data, an empty mapping for nothing."""
        found = self.find(key)
        if found is None:
            return {}
        if not found.is_mapping:
            raise found.error(f"expected a mapping, got {found._kind()}")
        return dict(found.plain())

    def _entries(self) -> dict[str, Item]:
        if not isinstance(self._item.data, dict):
            raise self.error(f"expected a mapping, got {self._kind()}")
        return self._item.data

    def _below(self, key: str) -> str:
        return f"{self.field}.{key}" if self.field else key

    def _kind(self) -> str:
        data = self._item.data
        if isinstance(data, dict | list):
            return "a mapping" if isinstance(data, dict) else "a list"
        if data is None:
            return "nothing"
        return "text" if isinstance(data, str) else "a number or a flag"


def load(source: Source) -> Value:
    """Return the document of a source of kind ``yaml`` or ``json``.

    Raises:
        ManifestError: Broken, or over a limit.
        MissingExtraError: YAML without PyYAML.
    """
    tree = Tree(source.name)
    read = read_json if source.kind == "json" else read_yaml
    read(source, tree)
    return Value(tree.root or Item(None, source.first_line), source.name)


def load_data(data: Any, *, name: str | None = None) -> Value:
    """Return plain data as a document: the same limits, no lines.

    Raises:
        ManifestError: Something in it is no JSON data.
    """
    tree = Tree(name)
    _grow(data, tree)
    assert tree.root is not None
    return Value(tree.root, name)


def _grow(data: Any, tree: Tree) -> None:
    if isinstance(data, Mapping):
        tree.start({}, None)
        for key, value in data.items():
            if not isinstance(key, str):
                tree.fail(f"expected text keys, got {key!r:.40}", None)
            tree.scalar(key, key, None)
            _grow(value, tree)
        tree.end()
    elif isinstance(data, list | tuple):
        tree.start([], None)
        for value in data:
            _grow(value, tree)
        tree.end()
    elif data is None or isinstance(data, str | bool | int | float):
        tree.scalar(data, data if isinstance(data, str) else json.dumps(data), None)
    else:
        tree.fail(f"expected JSON data, got {type(data).__name__}", None)


def _plain(item: Item) -> Any:
    if isinstance(item.data, dict):
        return {key: _plain(each) for key, each in item.data.items()}
    if isinstance(item.data, list):
        return [_plain(each) for each in item.data]
    return item.data
