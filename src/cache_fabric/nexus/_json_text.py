"""JSON with the line of every value; YAML is no stand-in, it reads other escapes and numbers."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from cache_fabric.nexus._tree import Tree
from cache_fabric.nexus.source import Source

__all__ = ["read_json"]

_SPACE = re.compile(r"[ \t\n]*")
_PLAIN = re.compile(
    r"(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])", re.A
)
_LARGEST = 2**63
_scan_string: Any = vars(json.decoder)["scanstring"]  # public, but the type stubs leave it out


def read_json(source: Source, tree: Tree) -> None:
    """Put the one value of a source into a tree; raises `ManifestError`."""
    _Text(source, tree).read()


class _Text:
    """Reads from left to right; ``_ends`` close the brackets that are open."""

    def __init__(self, source: Source, tree: Tree) -> None:
        self._text = source.text
        self._tree = tree
        self._at = 0
        self._line = source.first_line
        self._ends: list[str] = []

    def read(self) -> None:
        self._skip()
        self._value()
        while self._ends:
            self._next(first=False)
        if self._at < len(self._text):
            self._fail("expected the end of the file")

    def _next(self, *, first: bool) -> None:
        end = self._ends[-1]
        if self._here() == end:
            self._at += 1
            self._ends.pop()
            self._tree.end()
            self._skip()
            return
        if not first:
            self._take(",", f"expected , or {end}")
        if end == "}":
            if self._here() != '"':
                self._fail('expected a key in "')
            self._string()
            self._take(":", "expected : after the key")
        self._value()

    def _value(self) -> None:
        here = self._here()
        if here == '"':
            self._string()
        elif here in ("{", "["):
            self._at += 1
            self._tree.start({} if here == "{" else [], self._line)
            self._ends.append("}" if here == "{" else "]")
            self._skip()
            self._next(first=True)
        else:
            self._plain()

    def _string(self) -> None:
        try:
            text, end = _scan_string(self._text, self._at + 1)
        except json.JSONDecodeError as error:
            self._fail(f"expected JSON: {error.msg}")
        try:
            text.encode()
        except UnicodeEncodeError:
            self._fail("expected valid Unicode, got half a pair")
        self._tree.scalar(text, text, self._line)
        self._at = end
        self._skip()

    def _plain(self) -> None:
        found = _PLAIN.match(self._text, self._at)
        if found is None:
            self._fail("expected a value")
        try:
            value: Any = json.loads(found[0])
        except ValueError:
            self._fail("expected a number of at most 64 bits")
        if isinstance(value, float) and not math.isfinite(value):
            self._fail("expected a finite number")
        if isinstance(value, int) and not -_LARGEST <= value < 2 * _LARGEST:
            self._fail("expected a number of at most 64 bits")
        self._tree.scalar(value, found[0], self._line)
        self._at = found.end()
        self._skip()

    def _here(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, character: str, expected: str) -> None:
        if self._here() != character:
            self._fail(expected)
        self._at += 1
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._line += found[0].count("\n")
        self._at = found.end()

    def _fail(self, expected: str) -> NoReturn:
        self._tree.fail(expected, self._line)
