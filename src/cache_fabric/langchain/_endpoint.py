"""Where a model's client sends requests, as far as no field of the model says so.

An SDK reads its address from the environment too, and a model may be given a client, or a copy of
it another address that the client never hears of. LangChain writes down fields only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from cache_fabric.call_form import kept

__all__ = ["address_of_process", "endpoints"]

_CLIENTS = ("root_client", "root_async_client", "client", "async_client")
_USUAL = "https://api.openai.com/v1"  # an answer from there has the key that `FabricCache` gives it


def endpoints(model: BaseChatModel) -> dict[str, Any]:
    """Return as a parameter what is unsaid of the clients that OpenAI's SDK made."""
    told: list[dict[str, Any]] = []
    for client in _clients(model):
        unsaid = _unsaid(model.__dict__, client)
        if unsaid and unsaid not in told:
            told.append(unsaid)
    if len(told) == 1 and told[0].keys() == {"base_url"}:
        return {"api_base": told[0]["base_url"]}
    return {"langchain:endpoints": told} if told else {}


def address_of_process(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return as a parameter where this process sends OpenAI's calls that name no address.

    For LangChain's cache, which never sees a client: two processes may share a store, but not this
    variable.

    Args:
        params: Of a request, without what the environment says.
    """
    built = params.get("langchain:constructor", {})
    is_openai = params.get("provider") == "openai" or "openai" in (built.get("class") or ())
    named = "api_base" in params or "openai_api_base" in built
    address = os.environ.get("OPENAI_BASE_URL")
    return {"api_base": address.rstrip("/")} if is_openai and not named and address else {}


def _clients(model: BaseChatModel) -> Iterator[Any]:
    for name in _CLIENTS:
        given = model.__dict__.get(name)
        client = getattr(given, "_client", None) if _address(given) is None else given
        if _address(client) is not None:
            yield client


def _address(client: Any) -> str | None:
    address = getattr(client, "base_url", None)
    is_address = isinstance(address, str) or type(address).__name__ == "URL"
    return str(address).rstrip("/") if is_address else None


def _unsaid(fields: dict[str, Any], client: Any) -> dict[str, Any]:
    said = {
        "base_url": str(fields.get("openai_api_base") or _USUAL).rstrip("/"),
        "organization": fields.get("openai_organization"),
        "project": None,
        "default_headers": fields.get("default_headers") or {},
    }
    does = {
        "base_url": _address(client),
        "organization": getattr(client, "organization", None),
        "project": getattr(client, "project", None),
        "default_headers": {**(getattr(client, "_custom_headers", None) or {})},
    }
    return kept({name: value for name, value in does.items() if value != said[name]})
