"""Names that a Handlebars template looks up in what it is given, and the partials it includes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cache_fabric.nexus._template_tags import tags

__all__ = ["handlebars_names", "partial_names"]

_COMMENTS = {"\\{{": "}}", "{{!--": "--}}", "{{~!--": "--}}", "{{!": "}}", "{{~!": "}}"}
_CLOSINGS = {**_COMMENTS, "{{{": "}}}", "{{": "}}"}
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|[\w-]+=|[()]|[^\s()=]+")
_LITERAL = re.compile(r"[\"']|-?\d+(\.\d+)?$|(true|false|null|undefined)$")
_ROOT = "@root."
_NO_NAMES = ("history", "this", ".", "")
_CONDITIONS = {"if", "unless", "ifEquals", "unlessEquals"}


@dataclass(frozen=True, slots=True)
class _Block:
    """A block that is open: whether its names are those of an item, and the names it binds."""

    is_item: bool = False
    bound: tuple[str, ...] = ()


def handlebars_names(text: str) -> tuple[str, ...]:
    """Return the names, each once, in order of appearance."""
    found: dict[str, None] = {}
    blocks: list[_Block] = []
    for kind, words, bound in _tags(text):
        is_else = words[:1] == ["else"] or (kind == "^" and not words)
        if (kind == "/" or is_else) and blocks:
            blocks.pop()
        if is_else:
            blocks.append(_Block())
        for path in _paths(kind, words[1:] if is_else else words):
            if name := _root(path, blocks):
                found.setdefault(name)
        if kind in {"#", "^"} and not is_else:
            is_item = kind == "#" and not {*words[:1]} <= _CONDITIONS
            blocks.append(_Block(is_item, tuple(bound.split())))
    return tuple(found)


def partial_names(text: str) -> tuple[str, ...]:
    """Return the names of partials, each once; what is computed has none."""
    named = [words[0] for kind, words, _ in _tags(text) if kind == ">" and words]
    return tuple(dict.fromkeys(name.strip("\"'") for name in named if name != "("))


def _tags(text: str) -> Iterator[tuple[str, Sequence[str], str]]:
    """Yield kind, words and block parameters of every tag that is no comment."""
    for opening, content in tags(text, _CLOSINGS):
        if opening not in _COMMENTS:
            inner, _, parameters = content.strip("~ \t\n").partition(" as |")
            kind = inner[:1] if inner[:1] in {"#", "^", "/", ">", "&"} else ""
            yield kind, _WORD.findall(inner.removeprefix(kind)), parameters.strip("| ")


def _paths(kind: str, words: Sequence[str]) -> Iterator[str]:
    """Yield the paths that are looked up: not what is called, nor literals or argument names."""
    is_called = kind == ">" or len(words) > 1
    for word in words if kind != "/" else ():
        if word == "(":
            is_called = True
        elif word != ")" and not word.endswith("="):
            if not is_called and not _LITERAL.match(word):
                yield word
            is_called = False


def _root(path: str, blocks: Sequence[_Block]) -> str | None:
    """Return the name that a path begins with in what the template is given, if it does."""
    if path.startswith(_ROOT):
        return path.removeprefix(_ROOT).partition(".")[0].strip("[]")
    levels = sum(block.is_item for block in blocks)
    while path.startswith("../"):
        path, levels = path[3:], levels - 1
    name = path.removeprefix("this.").removeprefix("./").partition(".")[0].strip("[]")
    is_bound = any(name in block.bound for block in blocks)
    is_ours = levels <= 0 and not is_bound and not path.startswith("@")
    return name if is_ours and name not in _NO_NAMES else None
