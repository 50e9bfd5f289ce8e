"""An instance of a JSON schema, filled from the words and numbers of a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_QUOTED = re.compile(r"[\"']([^\"']+)[\"']")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Filler:
    """Makes instances; strings and numbers come from the text in order while there are any."""

    def __init__(self, text: str, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._strings = _QUOTED.findall(text)
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        self._text = text

    def instance(self) -> Any:
        """Return a valid instance of the schema."""
        return self._fill(self._root, "value")

    def _fill(self, schema: Mapping[str, Any], name: str) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            count = max(1, schema.get("minItems", 1))
            return [self._fill(schema.get("items", {}), name) for _ in range(count)]
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        return {"boolean": True, "null": None}.get(kind, self._string(name))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" in schema:
            target: Any = self._root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return self._resolved(target)
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                return self._resolved(schema[union][0])
        return schema

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        return {name: self._fill(inner, name) for name, inner in properties.items()}

    def _chosen(self, options: list[Any]) -> Any:
        """The option that the text names, or the first."""
        return next((one for one in options if str(one) in self._text), options[0])

    def _number(self, schema: Mapping[str, Any], kind: str) -> float:
        number = self._numbers.pop(0) if self._numbers else 1.0
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e9) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", 1e9) - 1)
        number = min(max(number, low), high)
        return int(number) if kind == "integer" else number

    def _string(self, name: str) -> str:
        return self._strings.pop(0) if self._strings else f"the {name}"


def keys_named_in(text: str) -> dict[str, str]:
    """An object for JSON mode: one key for each quoted name."""
    return {name: f"the {name}" for name in _QUOTED.findall(text)} or {"answer": "yes"}


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind[0] if isinstance(kind, list) else kind)
