"""What LangChain hands to a callback, as a bounded piece of plain data.

A record of a run must not keep foreign objects: they may be huge, may change later, and may do
anything when they are asked for their text. Containers, messages, pydantic models and dataclasses
are copied field by field, a little of each; of anything else the name of its class is kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from types import MappingProxyType
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from pydantic import BaseModel

from cache_fabric.call_form import is_secret

__all__ = ["Allowance", "Detail", "class_name", "plain", "text"]

_DEEPEST = 8
_NODE = 8  # characters that a value takes besides its text
_LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
_HIDDEN = "***"
_SEQUENCES = (list, tuple, deque, set, frozenset)
_SAFE_TEXT = (date, Decimal, PurePath, UUID)
_NAME_OF_CLASS = type.__dict__["__name__"].__get__  # no metaclass has a say in it


@dataclasses.dataclass(slots=True)
class Allowance:
    """How many characters may still be kept, over all values that draw on it."""

    left: int


@dataclasses.dataclass(frozen=True, slots=True)
class Detail:
    """How much of one value is kept: characters of a text, items of a container."""

    characters: int
    items: int


def plain(value: Any, allowance: Allowance, detail: Detail) -> Any:
    """Return what is kept of a value; never raises, whatever the value is."""
    try:
        return _plain(value, allowance, detail, _DEEPEST)
    except Exception:  # noqa: BLE001 - foreign data may fail in any way while it is read
        return class_name(value)


def class_name(value: Any) -> str:
    """Return ``<Name>`` of the value's class."""
    return f"<{_NAME_OF_CLASS(type(value))}>"


def text(value: str, characters: int) -> str:
    """Return a text as valid Unicode, cut to so many characters."""
    kept = value if type(value) is str else str.__str__(value)
    if len(kept) > characters:
        kept = kept[:characters] + _LEFT_OUT
    return kept if kept.isascii() else kept.encode("utf-8", "replace").decode()


def _plain(value: Any, allowance: Allowance, detail: Detail, depth: int) -> Any:
    if allowance.left <= 0:
        return _LEFT_OUT
    allowance.left -= _NODE
    if isinstance(value, str):
        kept = text(value, min(detail.characters, allowance.left))
        allowance.left -= len(kept)
        return kept
    if value is None or isinstance(value, int | float):
        return _number(value)
    if depth > 0 and isinstance(value, _SEQUENCES):
        return _items(value, allowance, detail, depth)
    fields = _fields_of(value) if depth > 0 else None
    if fields is not None:
        return _fields(fields, allowance, detail, depth)
    return text(str(value), 128) if isinstance(value, _SAFE_TEXT) else class_name(value)


def _number(value: float | None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else class_name(value)
    return float(value) if math.isfinite(value) else f"{value}"


def _fields_of(value: Any) -> Mapping[Any, Any] | None:
    """Return what a value says of itself by name, ``None`` if its class is not known to be safe."""
    if isinstance(value, dict | MappingProxyType):
        return value
    if isinstance(value, BaseMessage):
        return _of_message(value)
    if isinstance(value, BaseModel):
        return value.__dict__
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return None


def _fields(
    value: Mapping[Any, Any], allowance: Allowance, detail: Detail, depth: int
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in islice(value.items(), detail.items):
        key = _key(name)
        allowance.left -= len(key)
        hidden = item is not None and _is_secret(key)
        kept[key] = _HIDDEN if hidden else _plain(item, allowance, detail, depth - 1)
    if len(value) > len(kept):
        kept[_LEFT_OUT] = f"{len(value) - len(kept)} more"
    return kept


def _key(name: Any) -> str:
    if isinstance(name, str):
        return text(name, 128)
    return f"{name}" if name is None or type(name) in {bool, int, float} else class_name(name)


def _items(value: Any, allowance: Allowance, detail: Detail, depth: int) -> list[Any]:
    """Keep the first and the last items: of a conversation, who began it and where it is now."""
    count = len(value)
    chosen: Iterable[Any] = value
    if count > detail.items and isinstance(value, list | tuple):
        chosen = (value[0], *value[count - detail.items + 1 :])
    kept = [_plain(item, allowance, detail, depth - 1) for item in islice(chosen, detail.items)]
    if count > len(kept):
        kept.insert(1, f"{_LEFT_OUT} {count - len(kept)} more")
    return kept


def _of_message(message: BaseMessage) -> dict[str, Any]:
    kept: dict[str, Any] = {"type": message.type, "content": message.content}
    if message.name is not None:
        kept["name"] = message.name
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = message.tool_calls
        kept["tool_calls"] = [{"name": call["name"], "args": call["args"]} for call in calls]
    if isinstance(message, ToolMessage):
        kept["status"] = message.status
    return kept


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return is_secret(name)
