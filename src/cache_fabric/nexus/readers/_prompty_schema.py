"""Properties of Prompty, inputs and parameters of tools, as JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cache_fabric.nexus.located_yaml import Value

__all__ = ["entries", "schema_of"]

_TYPES = {
    **{name: name for name in ("array", "boolean", "integer", "number", "object", "string")},
    "float": "number",
}
_OF_PYTHON = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))


def entries(value: Value) -> Iterator[tuple[str, Value]]:
    """Yield name and entry of a list whose entries have names, or of a mapping by name."""
    if value.is_mapping:
        yield from value.items()
    else:
        for each in value.each():
            yield each.text("name"), each


def schema_of(properties: Value) -> dict[str, Any]:
    """Return the properties as the schema of an object; JSON Schema comes back as it is.

    An example is no part of it, and what is no data of JSON, a thread or an image, has no type.

    Raises:
        ManifestError: Neither a list of properties nor a mapping.
    """
    if properties.is_mapping and (inner := properties.find("properties")) is not None:
        if inner.is_mapping and properties.text_or("type") == "object":
            return dict(properties.plain())
        properties = inner
    named = dict(entries(properties))
    required = [name for name, value in named.items() if _is_required(value)]
    schema = {
        "type": "object",
        "properties": {name: _property(value) for name, value in named.items()},
    }
    return {**schema, "required": required} if required else schema


def _is_required(value: Value) -> bool:
    said = value.find("required") if value.is_mapping else None
    return said is not None and said.plain() is True


def _property(value: Value) -> dict[str, Any]:
    if not value.is_mapping:
        return _typed_as(value.plain())
    kind = value.text_or("kind") or value.text_or("type")
    schema: dict[str, Any] = {"type": _TYPES[kind]} if kind in _TYPES else {}
    if kind is None and (example := value.find("example") or value.find("sample")) is not None:
        schema = _typed_as(example.plain())
    for key, word in (("description", "description"), ("default", "default"), ("enum", "enum")):
        if (said := value.find(key)) is not None:
            schema[word] = said.plain()
    if (values := value.find("enumValues")) is not None:
        schema["enum"] = values.plain()
    if kind == "object" and value.find("properties") is not None:
        schema |= schema_of(value.need("properties"))
    if kind == "array" and (items := value.find("items")) is not None:
        schema["items"] = _property(items)
    return schema


def _typed_as(example: Any) -> dict[str, Any]:
    found = (name for kind, name in _OF_PYTHON if isinstance(example, kind))
    name = next(found, None)
    return {} if name is None else {"type": name}
