"""Variables in prompt text: ``{name}`` as in Python, ``{{name}}`` as in Mustache and Jinja. Pure.

Any other brace (JSON in a prompt) is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import ValidationError

__all__ = ["fill", "fill_known", "variables"]

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}|\{([A-Za-z_]\w*)\}")


def variables(text: str) -> tuple[str, ...]:
    """Return the names in the text, each once, in order of appearance."""
    return tuple(dict.fromkeys(m[1] or m[2] for m in _VARIABLE.finditer(text)))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Return the text with every variable replaced; raises `ValidationError` naming the missing."""
    missing = [name for name in variables(text) if name not in values]
    if missing:
        raise ValidationError("render", f"expected values for {', '.join(missing)}")
    return _VARIABLE.sub(lambda m: str(values[m[1] or m[2]]), text)


def fill_known(text: str, values: Mapping[str, Any]) -> str:
    """Return the text with every variable replaced that has a value; the others stay as they are.

    For texts whose author may not have meant a variable: an example in braces.
    """
    return _VARIABLE.sub(
        lambda m: str(values[name]) if (name := m[1] or m[2]) in values else m[0], text
    )
