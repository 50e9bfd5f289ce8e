"""Checks of what callers pass in: each failure names the field and what was expected. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from cache_fabric.errors import ValidationError

__all__ = ["check_id", "check_json", "check_key", "check_label", "check_ttl"]

_MAX_KEY_BYTES = 512
_MAX_VALUE_BYTES = 1024 * 1024
_MAX_DEPTH = 64


def check_key(key: Any, field: str = "key") -> str:
    """Return the key, or raise `ValidationError`: 1 to 512 bytes of text, no control characters."""
    if not isinstance(key, str) or not key:
        raise ValidationError(field, f"expected text of at least one character, got {key!r:.40}")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValidationError(field, "expected valid Unicode, got a lone surrogate") from None
    if size > _MAX_KEY_BYTES:
        raise ValidationError(field, f"expected at most {_MAX_KEY_BYTES} bytes, got {size}")
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in key):
        raise ValidationError(field, "expected no control characters")
    return key


def check_id(value: Any, field: str) -> str:
    """Return an id (tenant, user, execution) under the rules of a key."""
    if value is None:
        raise ValidationError(field, "is required here")
    return check_key(value, field)


def check_json(value: Any, field: str = "value") -> Any:
    """Return the value, or raise `ValidationError` with the path inside it that is not JSON.

    JSON data is what RFC 8259 can say (so no NaN), text keys only, at most 64 levels deep and
    1 MiB when encoded.
    """
    _walk(value, field, 0)
    try:
        size = len(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError):
        raise ValidationError(field, "expected valid Unicode and numbers up to 64 bits") from None
    if size > _MAX_VALUE_BYTES:
        raise ValidationError(field, f"expected at most {_MAX_VALUE_BYTES} bytes, got {size}")
    return value


def _walk(value: Any, path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValidationError(path, f"expected at most {_MAX_DEPTH} levels")
    if value is None or isinstance(value, str | bool | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValidationError(path, f"expected a finite number, got {value}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValidationError(path, f"expected text keys, got {key!r:.40}")
            _walk(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _walk(item, f"{path}[{position}]", depth + 1)
    else:
        raise ValidationError(path, f"expected JSON data, got {type(value).__name__}")


def check_label(label: Any) -> str:
    """Return the name of a label; one that reads like a number could be taken for a version."""
    check_key(label, "label")
    if label.strip().lstrip("+-").replace(".", "", 1).isdigit():
        raise ValidationError("label", f"expected a name, {label!r} reads like a version")
    return str(label)


def check_ttl(ttl: Any, field: str = "ttl") -> float | None:
    """Return seconds above 0, or ``None`` for ever."""
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        raise ValidationError(field, f"expected seconds as a number, got {ttl!r:.40}")
    if not math.isfinite(ttl) or ttl <= 0:
        raise ValidationError(field, f"expected seconds above 0, got {ttl}")
    return float(ttl)
