"""What of a message belongs to one response only, and what takes its place in another one. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MARK", "FreshCallIds", "kept_extras", "kept_metadata"]

MARK = "cache_fabric"
"""Where a hit says in its metadata what it is."""

_CALL_ITEMS = "__openai_function_call_ids__"
_OF_ONE_RESPONSE = frozenset({"headers", "id", "lc_gateway_metadata", MARK})


def kept_metadata(metadata: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return response metadata that another response may have as well."""
    return {name: value for name, value in metadata.items() if name not in _OF_ONE_RESPONSE}


def kept_extras(extras: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return additional arguments without those that only point at items at the provider."""
    kept = {name: value for name, value in extras.items() if not _is_item(name, value)}
    if _CALL_ITEMS in kept:
        kept[_CALL_ITEMS] = {}  # that there is one tells the form of the message
    return kept


def _is_item(name: Any, value: Any) -> bool:
    return name == "reasoning" and isinstance(value, Mapping) and "id" in value


class FreshCallIds:
    """New ids for the tool calls of one message, the same everywhere in it."""

    def __init__(self) -> None:
        self._fresh: dict[str, str] = {}

    def __call__(self, call_id: str) -> str:
        return self._fresh.setdefault(call_id, f"call_{uuid.uuid4().hex}")

    def in_calls(self, calls: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [
            {**call, "id": self(call["id"])} if isinstance(call.get("id"), str) else {**call}
            for call in calls
        ]

    def in_extras(self, extras: Mapping[str, Any]) -> dict[str, Any]:
        """Rename raw calls, and the keys of maps from call to anything (thought signatures)."""
        renamed = {**extras}
        if isinstance(extras.get("tool_calls"), list):
            renamed["tool_calls"] = self.in_calls(extras["tool_calls"])
        for name, value in renamed.items():
            if isinstance(value, dict):
                renamed[name] = {self._fresh.get(key, key): v for key, v in value.items()}
        return renamed
