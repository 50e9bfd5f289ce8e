"""Each refusal names the field, or the path inside the value, and what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.errors import ValidationError
from cache_fabric.validation import check_json, check_key


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", "at least one character"),
        (None, "at least one character"),
        (7, "at least one character"),
        ("x" * 513, "at most 512 bytes"),
        ("a\nb", "control characters"),
        ("a\x00b", "control characters"),
        ("\ud800", "surrogate"),
    ],
)
def test_a_bad_key_is_named(key: Any, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected) as caught:
        check_key(key)
    assert caught.value.field == "key"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": {1, 2}}]}, r"value\.a\[1\]\.b"),
        ([float("nan")], r"value\[0\]"),
        ({"a": {3: 4}}, r"value\.a"),
        (object(), "value"),
    ],
)
def test_what_is_not_json_is_named_by_its_path(value: Any, path: str) -> None:
    with pytest.raises(ValidationError, match=f"^{path}: "):
        check_json(value)


def test_a_value_over_one_mebibyte_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 1048576 bytes"):
        check_json("x" * (1024 * 1024))


def test_json_data_passes_unchanged() -> None:
    value = {"a": [1, 2.5, None, True, "\u00e9"], "b": {}}
    assert check_json(value) is value
