"""YAML as PyYAML's safe loader reads it (1.1), but every value stays JSON data with its line.

Dates stay text, and no tag makes an object: a manifest is published as JSON and read by strangers.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import ManifestError, MissingExtraError
from cache_fabric.nexus._tree import Tree
from cache_fabric.nexus.source import Source

if TYPE_CHECKING:
    import yaml

__all__ = ["read_yaml"]

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_AS_WRITTEN = {"!", f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value", _MERGE}
_COMPUTED = {f"{_TAG}{name}" for name in ("bool", "int", "float", "null")}
_LARGEST = 2**63
# Tags make nothing here, and libyaml takes the square of the time for many of their directives.
_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|^%TAG", re.MULTILINE)


def read_yaml(source: Source, tree: Tree) -> None:
    """Put the one document of a source into a tree; raises `ManifestError`."""
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("nexus", "reading a YAML manifest") from error
    if found := _REFUSED.search(source.text):
        before = source.text.count("\n", 0, found.start())
        tree.fail(f"expected YAML, got {found[0]!r}", source.first_line + before)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _Document(yaml, source, tree).take(yaml.parse(source.text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        line = source.first_line + error.problem_mark.line if error.problem_mark else None
        text = " ".join(filter(None, (error.problem, error.context)))
        raise ManifestError(f"expected YAML: {text}", file=source.name, line=line) from None
    except yaml.YAMLError:
        raise ManifestError("expected YAML", file=source.name) from None


class _Document:
    def __init__(self, module: Any, source: Source, tree: Tree) -> None:
        self._yaml = module
        self._first = source.first_line
        self._tree = tree
        self._documents = 0
        self._resolver = module.resolver.Resolver()
        self._constructor = module.constructor.SafeConstructor()

    def take(self, events: Any) -> None:
        yaml, tree = self._yaml, self._tree
        for event in events:
            line = self._first + event.start_mark.line
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, yaml.MappingStartEvent):
                self._untagged(event, "map", line)
                tree.start({}, line, event.anchor)
            elif isinstance(event, yaml.SequenceStartEvent):
                self._untagged(event, "seq", line)
                tree.start([], line, event.anchor)
            elif isinstance(event, yaml.CollectionEndEvent):
                tree.end()
            elif isinstance(event, yaml.AliasEvent):
                tree.alias(event.anchor, line)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    tree.fail("expected one document, here begins a second", line)

    def _untagged(self, event: Any, kind: str, line: int) -> None:
        if event.tag not in (None, "!", f"{_TAG}{kind}"):
            self._refuse(event.tag, line)

    def _refuse(self, tag: str, line: int) -> None:
        self._tree.fail(f"expected plain data, got the tag {tag.replace(_TAG, '!!')!r:.80}", line)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        text, tag = event.value, event.tag or self._implied(event)
        if tag in _COMPUTED:
            self._tree.scalar(self._computed(tag, text, line), text, line, event.anchor)
        elif tag in _AS_WRITTEN:
            merges = tag == _MERGE
            self._tree.scalar(text, text, line, event.anchor, merges=merges)
        else:
            self._refuse(tag, line)

    def _implied(self, event: yaml.ScalarEvent) -> str:
        if not event.implicit[0]:
            return f"{_TAG}str"
        return str(self._resolver.resolve(self._yaml.ScalarNode, event.value, (True, False)))

    def _computed(self, tag: str, text: str, line: int) -> Any:
        try:
            value = self._constructor.construct_object(self._yaml.ScalarNode(tag, text))
        except (ValueError, KeyError, IndexError, self._yaml.YAMLError):
            self._tree.fail(f"expected {tag.removeprefix(_TAG)} here", line)
        if isinstance(value, float) and not math.isfinite(value):
            self._tree.fail("expected a finite number", line)
        if isinstance(value, int) and not -_LARGEST <= value < 2 * _LARGEST:
            self._tree.fail("expected a number of at most 64 bits", line)
        return value
