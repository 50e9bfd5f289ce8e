"""What a change of a context means for those who read it: cosmetic, behaviour or breaking. Pure.

Cosmetic is a change of white space only: the answers given so far are kept. Breaking is one after
which a caller has to give or take something else: the signature of a tool, a variable that the
text did not ask for before, data in place of a text. Everything else changes the behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from cache_fabric.context_rules import Change
from cache_fabric.nexus.manifest import Kind

__all__ = ["change_class"]

_ANNOTATIONS = ("description", "examples", "$comment")
_NAMES_BELOW = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA_BELOW = ("const", "default", "enum")
_UNSEEN_BY_CALLERS = ("config",)  # where a tool runs, not what it takes and gives


def change_class(
    old: Any,
    new: Any,
    kind: Kind,
    *,
    asked_before: Collection[str] = (),
    asks: Collection[str] = (),
) -> Change | None:
    """Return what becomes of those who read a context, ``None`` where nothing has changed.

    Args:
        old, new: Values, plain data.
        kind: Of the context.
        asked_before, asks: Names of the variables of the old text and of the new.
    """
    if _same(old, new):
        return None
    if isinstance(old, str) is not isinstance(new, str):
        return "breaking"
    if not all(name in asked_before for name in asks):
        return "breaking"
    if kind == "tool_definition" and not _same(_signature(old), _signature(new)):
        return "breaking"
    squeezed = _squeezed if kind in ("system_prompt", "prompt") else _squeezed_annotations
    return "cosmetic" if _same(squeezed(old), squeezed(new)) else "behaviour"


def _same(one: Any, two: Any) -> bool:
    """Return whether two values read the same; in Python ``1`` equals ``1.0`` and ``True``."""
    return _written(one) == _written(two)


def _written(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _signature(definition: Any) -> Any:
    """Return a tool's definition without what only explains it."""
    if not isinstance(definition, Mapping):
        return definition
    seen = {key: part for key, part in definition.items() if key not in _UNSEEN_BY_CALLERS}
    return _annotated(seen, lambda _: None)


def _squeezed_annotations(definition: Any) -> Any:
    return _annotated(definition, _squeezed)


def _annotated(value: Any, change: Callable[[Any], Any], *, names: bool = False) -> Any:
    """Return a definition with its annotations changed.

    Args:
        value: Part of it, a JSON Schema or what stands around one.
        change: Makes another annotation of one; ``None`` leaves it out.
        names: Whether the keys of this part are names, so that ``description`` is one of them.
    """
    if isinstance(value, list):
        return [_annotated(item, change) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed: dict[str, Any] = {}
    for key, part in value.items():
        if names:
            changed[key] = _annotated(part, change)
        elif key in _ANNOTATIONS:
            annotation = change(part)
            if annotation is not None:
                changed[key] = annotation
        elif key in _DATA_BELOW:
            changed[key] = part
        else:
            changed[key] = _annotated(part, change, names=key in _NAMES_BELOW)
    return changed


def _squeezed(value: Any) -> Any:
    """Return a value whose texts have one blank between words, and none around them."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        return {key: _squeezed(part) for key, part in value.items()}
    return [_squeezed(part) for part in value] if isinstance(value, list) else value
