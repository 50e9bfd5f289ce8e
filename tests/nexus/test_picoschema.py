"""Picoschema says the JSON Schema that Dotprompt makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.located_yaml import load
from cache_fabric.nexus.picoschema import json_schema
from cache_fabric.nexus.source import Source


def _schema(text: str) -> dict[str, Any]:
    return json_schema(load(Source.of_text(text, kind="yaml")))


def _property(text: str) -> Any:
    return _schema(text)["properties"]["a"]


_CARD = {"type": "object", "properties": {"b": {"type": ["string", "null"]}}}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("a: string", {"type": "string"}),
        ("a: string, what, in short", {"type": "string", "description": "what, in short"}),
        ("a: any, of all", {"description": "of all"}),
        ("a?: number", {"type": ["number", "null"]}),
        ("a: Card", {"$ref": "Card"}),
        ("a?: Card, to print", {"$ref": "Card", "description": "to print"}),
        ("a(array): integer", {"type": "array", "items": {"type": "integer"}}),
        ("a?(array): string", {"type": ["array", "null"], "items": {"type": "string"}}),
        ("a(array, all): any", {"type": "array", "items": {}, "description": "all"}),
        ("a(enum): [X, Y]", {"enum": ["X", "Y"]}),
        ("a?(enum, one): [X]", {"enum": ["X", None], "description": "one"}),
        ("a(object): {b?: str}", {**_CARD, "additionalProperties": False}),
        ("a: int", {"type": "integer"}),
    ],
)
def test_a_property(text: str, schema: dict[str, Any]) -> None:
    assert _property(text) == schema


def test_what_is_not_optional_is_required() -> None:
    assert _schema("{a: string, b?: string, c: any}")["required"] == ["a", "c"]
    assert "required" not in _schema("a?: string")


def test_other_properties_are_refused_unless_they_are_said() -> None:
    assert _schema("a: string")["additionalProperties"] is False
    assert _schema("(*): number")["additionalProperties"] == {"type": "number"}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("{type: object, properties: {a: {}}}", {"type": "object", "properties": {"a": {}}}),
        ("{properties: {a: {}}}", {"type": "object", "properties": {"a": {}}}),
        ("{type: string, format: date}", {"type": "string", "format": "date"}),
        ("Card", {"$ref": "Card"}),
    ],
)
def test_json_schema_and_names_stay_what_they_are(text: str, schema: dict[str, Any]) -> None:
    assert _schema(text) == schema


@pytest.mark.parametrize(
    "text", ["a: 3", "a: [b]", "a(list): b", "(array): b", "[a]", "a(enum): b"]
)
def test_what_is_no_picoschema_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        _schema(text)
