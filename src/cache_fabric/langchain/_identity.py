"""What an object of LangChain is, as plain data that is the same in every process.

Its class and the fields that it declares, and the same of the objects in these fields. Secrets and
what only says how a call travels do not count. What cannot be read this way (a client, a function,
an object that declares no fields) needs a name of the user's; what can be read counts beside it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from enum import Enum
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from cache_fabric.call_form import kept
from cache_fabric.errors import ConfigurationError
from cache_fabric.langchain._call import declared
from cache_fabric.validation import check_key

__all__ = ["identity_of"]

_MAX_DEPTH = 16
_OBJECT = "langchain:object"  # no list of settings begins with it
_UNREAD = "langchain:unread"
_PLAIN = str | bool | int | bytes | None


def identity_of(
    thing: Any, role: str, name: str | None, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the identity of an object.

    Args:
        thing: What is wrapped.
        role: Name of the argument, for the error.
        name: Stands for what cannot be read.
        without: Fields of the object itself that change nothing in its results.

    Raises:
        ConfigurationError: Something cannot be read, and there is no name.
        ValidationError: The name is not usable.
    """
    if name is not None:
        check_key(name, "name")
    reader = _Reader(without)
    read = reader.read(thing, type(thing).__name__, 0)
    if reader.unread and name is None:
        raise ConfigurationError(
            f"{role}: no stable identity can be read from {', '.join(reader.unread)}: pass name=, "
            "the same in every process that shares the results, another one for other results"
        )
    return {"name": name, "is": read}


class _Reader:
    """Reads one object; notes where it could not."""

    def __init__(self, without: frozenset[str]) -> None:
        self.unread: list[str] = []
        self._without = without

    def read(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, _PLAIN) and not isinstance(value, Enum):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(value)  # some kinds of float are written in their own way
        return self._unread(value, path) if depth > _MAX_DEPTH else self._whole(value, path, depth)

    def _whole(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, Enum):
            return [_OBJECT, self._class(value, path), self.read(value.value, path, depth + 1)]
        fields = _declared(value)
        if fields is not None:
            names = {n: v for n, v in fields.items() if depth or n not in self._without}
            return [_OBJECT, self._class(value, path), self._items(kept(names), path, depth)]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return self._items(value, path, depth)
        if isinstance(value, list | tuple):
            return [self.read(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
        if isinstance(value, Set) and all(isinstance(item, str | int) for item in value):
            return set(value)
        return self._unread(value, path)

    def _items(self, items: Mapping[str, Any], path: str, depth: int) -> dict[str, Any]:
        return {
            name: self.read(value, f"{path}.{name}", depth + 1)
            for name, value in items.items()
            if not isinstance(value, SecretStr | SecretBytes)
        }

    def _class(self, value: object, path: str) -> str:
        kind = type(value)
        if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
            self.unread.append(f"{path} (its class has no module that other processes share)")
            return kind.__name__
        return f"{kind.__module__}.{kind.__qualname__}"

    def _unread(self, value: object, path: str) -> list[str]:
        kind = type(value)
        self.unread.append(f"{path} ({kind.__name__})")
        return [_UNREAD, f"{kind.__module__}.{kind.__name__}"]


def _declared(value: Any) -> dict[str, Any] | None:
    """Return the declared fields of an object, ``None`` if its class declares none."""
    if isinstance(value, BaseModel):
        return declared(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None
