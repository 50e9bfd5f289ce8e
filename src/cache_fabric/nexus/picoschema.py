"""Picoschema, the short form of JSON Schema in Dotprompt files, as JSON Schema.

::

    name: string, of the guest       name is required and has a description
    languages?(array): string        languages may be left out, or be null
"""

from __future__ import annotations

import re
from typing import Any

from cache_fabric.nexus.located_yaml import Value

__all__ = ["json_schema"]

_SCALARS = {
    **{name: name for name in ("any", "boolean", "integer", "null", "number", "string")},
    **{"bool": "boolean", "float": "number", "int": "integer", "str": "string"},  # LiteLLM's
    **{"array": "array", "dict": "object", "list": "array", "object": "object"},
}
_KEY = re.compile(r"(?P<name>[^(]*?)(?P<optional>\?)?\s*(?:\((?P<type>[^,)]*),?\s*(?P<told>.*)\))?")
_REST = "(*)"


def json_schema(schema: Value) -> dict[str, Any]:
    """Return what Picoschema says as JSON Schema; JSON Schema comes back as it is.

    A name of a schema that stands elsewhere becomes ``{"$ref": name}``.

    Raises:
        ManifestError: Not Picoschema.
    """
    if schema.is_mapping:
        kind, properties = schema.find("type"), schema.find("properties")
        if kind is not None and kind.is_text and kind.as_text() in _SCALARS.values():
            return dict(schema.plain())
        if properties is not None and properties.is_mapping:
            return {**schema.plain(), "type": "object"}
    return _schema(schema)


def _schema(value: Value) -> dict[str, Any]:
    if value.is_mapping:
        return _object(value)
    if not value.is_text:
        raise value.error("expected a type, as text, or a mapping of names to types")
    kind, _, told = (part.strip() for part in value.as_text().partition(","))
    typed = {"type": _SCALARS[kind]} if kind in _SCALARS else {"$ref": kind}
    return _told({} if kind == "any" else typed, told)


def _object(value: Value) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    rest: Any = False
    for key, each in value.items():
        parts = _KEY.fullmatch(key)
        if key == _REST:
            rest = _schema(each)
        elif parts is None or not parts["name"]:
            raise each.error("expected a key as name, name?, or name(array, what it is)")
        else:
            properties[parts["name"]] = _property(each, parts)
            required += [] if parts["optional"] else [parts["name"]]
    schema = {"type": "object", "properties": properties, "additionalProperties": rest}
    return {**schema, "required": required} if required else schema


def _property(value: Value, parts: re.Match[str]) -> dict[str, Any]:
    match parts["type"]:
        case None | "object":
            schema = _schema(value)
        case "array":
            schema = {"type": "array", "items": _schema(value)}
        case "enum":
            schema = {"enum": [each.plain() for each in value.each()]}
        case other:
            raise value.error(f"expected array, object or enum in brackets, got {other!r:.40}")
    if parts["optional"]:
        schema = _or_null(schema)
    return _told(schema, parts["told"])


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {"enum": [*(each for each in schema["enum"] if each is not None), None]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def _told(schema: dict[str, Any], description: str | None) -> dict[str, Any]:
    return {**schema, "description": description} if description else schema
