"""Whose a call is, by what LiteLLM's metadata says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CALL", "call_id_of", "end_user_of", "metadata_of", "tenant_of"]

CALL = "cache_fabric_call"
"""Where a call's metadata names the call, if LiteLLM's own id of it is not to be relied on."""

_BY_PROXY = (
    ("user_api_key_team_id", "team"),
    ("user_api_key_hash", "key"),
    ("user_api_key", "key"),
)


def metadata_of(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's metadata; what the proxy writes for its newer routes stands above."""
    parts = (kwargs.get("metadata"), kwargs.get("litellm_metadata"))
    merged: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Mapping):
            merged |= part
    return merged


def call_id_of(kwargs: Mapping[str, Any]) -> str:
    """Return the id of a call by its arguments, or by what LiteLLM tells its loggers of it.

    ``litellm_call_id``; behind a proxy, where that is a client's to choose (``x-litellm-call-id``),
    what the proxy's hook has written into the metadata.
    """
    for place in (kwargs, kwargs.get("litellm_params") or {}):
        named = metadata_of(place).get(CALL)
        if named:
            return str(named)
    return str(kwargs.get("litellm_call_id"))


def tenant_of(kwargs: Mapping[str, Any]) -> str | None:
    """Return the tenant of a call where nobody gave a rule.

    A proxy's team, else its key (a hash). Outside a proxy ``metadata["cache_fabric_tenant"]``;
    behind one that name is the client's to write, and is not read.
    """
    metadata = metadata_of(kwargs)
    if any(name in metadata for name, _ in _BY_PROXY):
        found = ((kind, metadata.get(name)) for name, kind in _BY_PROXY)
        return next((f"{kind}:{value}" for kind, value in found if value), None)
    tenant = metadata.get("cache_fabric_tenant")
    return tenant if isinstance(tenant, str) else None


def end_user_of(kwargs: Mapping[str, Any]) -> str | None:
    """Return the end user that a proxy, or else the call itself, names."""
    given = kwargs.get("optional_params")
    params = given if isinstance(given, Mapping) else {}
    named = (metadata_of(kwargs).get("user_api_key_end_user_id"), params.get("user"))
    return next((user for user in (*named, kwargs.get("user")) if isinstance(user, str)), None)
