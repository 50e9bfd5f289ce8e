"""A text with YAML in front of it, between two lines ``---``, as Prompty and Dotprompt have it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.located_yaml import Value, load
from cache_fabric.nexus.source import Source

__all__ = ["FrontMatter", "split"]

_BEGIN = re.compile(r"(?:(?:#[^\n]*|[ \t]*)\n)*---[ \t]*\n")
_END = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A file taken apart.

    Attributes:
        head: The YAML, an empty mapping if there is none.
        body: What follows, as it stands.
        line: Number of the first line of the body.
    """

    head: Value
    body: str
    line: int


def split(source: Source) -> FrontMatter:
    """Take a source apart; blank lines and comments may stand before the first ``---``.

    Raises:
        ManifestError: The YAML has no end, is broken, or is no mapping.
    """
    begin = _BEGIN.match(source.text)
    if begin is None:
        return FrontMatter(_nothing(source), source.text, source.first_line)
    end = _END.search(source.text, begin.end())
    first = source.first_line + begin[0].count("\n")
    if end is None:
        expected = "expected a second line --- that ends the front matter"
        raise ManifestError(expected, file=source.name, line=first - 1)
    text = source.text[begin.end() : end.start()]
    head = load(Source(source.name, text, "yaml", first))
    if head.plain() is None:
        head = _nothing(source)
    if not head.is_mapping:
        raise head.error("expected a mapping as front matter")
    return FrontMatter(head, source.text[end.end() :], first + text.count("\n") + 1)


def _nothing(source: Source) -> Value:
    return load(Source(source.name, "{}", "json", source.first_line))
