"""Names that a Jinja template looks up in what it is given; the words of its statements only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cache_fabric.nexus._template_tags import tags

__all__ = ["jinja_names"]

_CLOSINGS = {"{#": "#}", "{%": "%}", "{{": "}}"}
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|\d[\w.]*|\w+|[!=<>]=|\S")
_NAME = re.compile(r"[^\W\d]\w*$")
_RESERVED = (
    "and or not in is if else true false none True False None recursive ignore missing with "
    "without context loop self super caller varargs kwargs range dict lipsum cycler joiner "
    "namespace"
)
_SCOPES = ("for", "with", "macro", "call")
_NO_NAMES = frozenset(_RESERVED.split())
Words = Sequence[str]


def jinja_names(text: str) -> tuple[str, ...]:
    """Return the names, each once, in order of appearance."""
    found: dict[str, None] = {}
    scopes: list[set[str]] = [set()]
    for statement, words in _statements(text):
        if statement.startswith("end"):
            if statement.removeprefix("end") in _SCOPES and len(scopes) > 1:
                scopes.pop()
            continue
        bound, asked = _parts(statement, words)
        condition: Words = ()
        if statement == "for":  # its condition asks for what it binds
            asked, condition = _split(asked, "if")
        if statement == "macro":
            scopes[-1].update(words[:1])
        _look_up(asked, scopes, found)
        if statement in _SCOPES:
            scopes.append(set())
        scopes[-1].update(bound)
        _look_up(condition, scopes, found)
    return tuple(found)


def _look_up(words: Words, scopes: Sequence[set[str]], found: dict[str, None]) -> None:
    for name in _names(words):
        if not any(name in scope for scope in scopes):
            found.setdefault(name)


def _statements(text: str) -> Iterator[tuple[str, Words]]:
    """Yield the first word and the others of each statement; an expression has no first word."""
    is_raw = False
    for opening, content in tags(text, _CLOSINGS):
        words = _WORD.findall(content.strip("-+"))
        statement = words[0] if opening == "{%" and words else ""
        if statement in {"raw", "endraw"}:
            is_raw = statement == "raw"
        elif opening != "{#" and not is_raw:
            yield statement, words[1:] if statement else words


def _parts(statement: str, words: Words) -> tuple[set[str], Words]:
    """Return what a statement gives a value, and the words in which it asks for names."""
    bound: Words = ()
    asked: Words = ()
    match statement:
        case "for":
            bound, asked = _split(words, "in")
        case "set":
            bound, asked = _split(words, "=") if "=" in words else (words[:1], words[1:])
        case "with":
            bound, asked = [a for a, b in pairwise(words) if b == "="], words
        case "call":
            bound, asked = _split(words, ")") if words[:1] == ["("] else ((), words)
        case "macro":
            bound = words
        case "import":
            asked, bound = _split(words, "as")
        case "from":
            asked, bound = _split(words, "import")
        case "block" | "filter":
            pass
        case _:
            asked = words
    return {word for word in bound if _NAME.match(word)}, asked


def _split(words: Words, at: str) -> tuple[Words, Words]:
    place = words.index(at) if at in words else len(words)
    return words[:place], words[place + 1 :]


def _names(words: Words) -> Iterator[str]:
    """Yield the names that are no attribute, filter, test, argument name or word of Jinja."""
    padded = ["", "", *words, ""]
    for first, second, word, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        is_part = second in {".", "|", "is"} or (first, second) == ("is", "not")
        if _NAME.match(word) and not is_part and after != "=" and word not in _NO_NAMES:
            yield word
