"""What of a tool's configuration is not for everybody to read: credentials. Pure.

Contexts are read by every agent and shown on a page, and their versions are kept. No model and no
runtime of ours needs a credential from there, so one that stands in a manifest is left out of what
is published. References to one (``${TOKEN}``, the name of an environment variable) stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cache_fabric.call_form import is_secret

__all__ = ["LEFT_OUT", "without_credentials"]

LEFT_OUT = "[left out]"

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME = re.compile(
    r"(^|_)(token|passphrase|pwd|connection_string"
    r"|(account|encryption|shared|signing|subscription|webhook)_key)$"
)
_HOLDERS = re.compile(r"(^|_)auth$")  # with a mapping below; as text it names a way, as "none"
_REFERENCE = re.compile(r"\$\{[A-Za-z_][\w.]*\}|\$[A-Za-z_]\w*|\{\{[^{}]*\}\}|<[^<>]*>")
_VARIABLE = re.compile(r"(env[:.])?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_SCHEME = re.compile(r"^(bearer|basic|token)(\s+|$)", re.IGNORECASE)
_LOOKS_SO = re.compile(
    r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|://[^\s/@:]*:[^\s/@]+@"  # of a URL
    r"|[?&](?:[\w-]*(?:key|token|secret|password|sig))=[^&\s]+"
    r"|\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|hf)[-_][\w-]{16,}"
    r"|\bAKIA[A-Z0-9]{12,}|\bAIza[\w-]{20,}|\beyJ[\w-]{8,500}\.eyJ[\w-]{8}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


def without_credentials(value: Any, field: str = "") -> tuple[Any, tuple[str, ...]]:
    """Return plain data with `LEFT_OUT` in place of each credential, and where these stood.

    Args:
        value: Of a field.
        field: Its name, before those of the places.
    """
    found: list[str] = []
    return _kept(value, field, False, found), tuple(found)


def _kept(value: Any, field: str, secret: bool, found: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _kept(part, f"{field}.{name}", secret or _names_one(name, part), found)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        options = ["", *value]  # of a command, as --token abc
        return [
            _kept(part, f"{field}[{at}]", secret or _is_option(options[at]), found)
            for at, part in enumerate(value)
        ]
    if value is None or isinstance(value, bool) or not _is_one(value, secret):
        return value
    found.append(field)
    return LEFT_OUT


def _names_one(name: str, value: Any) -> bool:
    plain = _CAMEL.sub("_", name).replace("-", "_").lower()
    if is_secret(plain) or _NAME.search(plain):
        return True
    return isinstance(value, Mapping) and bool(_HOLDERS.search(plain))


def _is_option(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("-") and _names_one(text.lstrip("-"), None)


def _is_one(value: Any, secret: bool) -> bool:
    if not isinstance(value, str):
        return secret
    bare = _REFERENCE.sub("", value)
    option, equals, given = bare.partition("=")
    if equals and _is_option(option):  # --token=abc
        bare, secret = given, True
    if secret:
        bare = _SCHEME.sub("", bare.strip(), count=1)
        return bool(bare.strip(" :")) and not _VARIABLE.fullmatch(bare)
    return bool(_LOOKS_SO.search(bare))
