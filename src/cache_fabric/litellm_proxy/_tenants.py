"""Whose a proxy's call is: by the key that the proxy has verified, never by what a body says.

The proxy puts the object of the key's verification into a call's metadata. No JSON makes such an
object, so that nothing in a request can stand in its place. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import quote

from litellm.proxy._types import UserAPIKeyAuth

from cache_fabric.errors import ConfigurationError, NotCacheable

__all__ = ["ProxyTenants", "TenantPart"]

TenantPart = Literal["team", "key", "org", "end_user"]

_PARTS: tuple[str, ...] = get_args(TenantPart)
_ATTRIBUTES = {"team": "team_id", "org": "org_id", "end_user": "end_user_id"}
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST = 128


@dataclass(frozen=True, slots=True)
class ProxyTenants:
    """The rule: tenants are told apart by these parts of a verified key.

    A part that a key lacks (it is in no team, the call names no end user) is the key itself in its
    place, so that what is unknown is never shared. Keys are told apart within their teams: a key
    that moves to another team leaves its answers behind.

    Attributes:
        parts: Of ``team``, ``key``, ``org`` and ``end_user``.

    Raises:
        ConfigurationError: There is none, or an unknown one.
    """

    parts: tuple[str, ...] = ("team",)

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in _PARTS]
        if unknown or not self.parts:
            given = repr(unknown[0]) if unknown else "nothing"
            raise ConfigurationError(
                f"tenant: expected one or several of {', '.join(_PARTS)}, got {given}"
            )

    def __call__(self, kwargs: Mapping[str, Any]) -> str | None:
        """Return the tenant of a call by its arguments; raises `NotCacheable` without a key."""
        for name in ("metadata", "litellm_metadata"):
            metadata = kwargs.get(name)
            auth = metadata.get("user_api_key_auth") if isinstance(metadata, Mapping) else None
            if isinstance(auth, UserAPIKeyAuth):
                return self.of_key(auth)
        raise NotCacheable("a call that no key was verified for")

    def of_key(self, auth: UserAPIKeyAuth) -> str | None:
        """Return the tenant of a verified key, ``None`` for a proxy that verifies none."""
        named = {part: _named(part, auth) for part in dict.fromkeys(self.parts)}
        if None in named.values():
            named["key"] = _named("key", auth)
        told = [f"{part}:{value}" for part, value in named.items() if value is not None]
        return "/".join(told) or None


def _named(part: str, auth: UserAPIKeyAuth) -> str | None:
    if part != "key":
        return _spelled(getattr(auth, _ATTRIBUTES[part], None))
    key = auth.api_key
    if not key:
        return None
    # LiteLLM hashes its own keys; those of a custom verification may come as they are.
    digest = key if _HASH.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()
    team = _spelled(auth.team_id)
    return digest if team is None else f"{digest}@{team}"


def _spelled(name: Any) -> str | None:
    """Return a name without the marks that join names, and no longer than a tenant may be."""
    if not name:
        return None
    text = quote(str(name), safe="")
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode()).hexdigest()
