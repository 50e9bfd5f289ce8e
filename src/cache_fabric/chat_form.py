"""Chat messages as a key sees them, the same for every host.

A message is given as the constructor arguments of LangChain's message classes, plain data that
other hosts translate into. What differs from call to call without meaning anything to the model
(`_PASSING`: ids, usage, response metadata) is left out, so that the second turn of a conversation
has one key, whether the first was a hit or a miss. Pure, and free of LangChain's classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cache_fabric.content_blocks import (
    Rename,
    rename_calls,
    without_auto_ids,
    without_provider_ids,
)
from cache_fabric.errors import NotCacheable

__all__ = ["canonical", "holds_object"]

_ROLES = {
    "AIMessageChunk": "assistant",
    "FunctionMessageChunk": "function",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "ai": "assistant",
    "function": "function",
    "human": "user",
    "system": "system",
    "tool": "tool",
}
_CHAT_TYPES = ("chat", "ChatMessageChunk")
_PASSING = frozenset(
    {"artifact", "chunk_position", "example", "id", "response_metadata", "tool_call_chunks"}
    | {"type", "usage_metadata"}
)
_READ_APART = frozenset({"additional_kwargs", "content", "invalid_tool_calls", "tool_calls"})
_PASSING_EXTRAS = frozenset(
    {"__gemini_function_call_thought_signatures__", "__openai_function_call_ids__"}
    | {"__openai_role__", "parsed"}
)


def canonical(nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages as a key sees them, from the constructor arguments of LangChain's messages.

    Raises:
        NotCacheable: A message is of a class that is not LangChain's own, or holds an object.
    """
    numbers = _CallNumbers()
    return [_message(node, numbers) for node in nodes]


def holds_object(value: Any) -> bool:
    """Say whether LangChain wrote "not implemented" for a part, which leaves only a class name."""
    if isinstance(value, dict):
        if value.get("lc") == 1 and value.get("type") == "not_implemented":
            return True
        return any(holds_object(item) for item in value.values())
    return isinstance(value, list) and any(holds_object(item) for item in value)


class _CallNumbers:
    """Names tool calls by their order of appearance instead of by random ids."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, call_id: str) -> str:
        return str(self._numbers.setdefault(call_id, len(self._numbers)))


def _message(fields: Mapping[str, Any], numbers: Rename) -> dict[str, Any]:
    extras = fields.get("additional_kwargs")
    extras = extras if isinstance(extras, dict) else {}
    message = {
        name: value
        for name, value in fields.items()
        if name not in _PASSING and name not in _READ_APART and value is not None
    }
    message["role"] = role = _role(fields, extras)
    strip = without_provider_ids if role == "assistant" else without_auto_ids
    message["content"] = rename_calls(strip(fields.get("content")), numbers)
    for name in ("tool_calls", "invalid_tool_calls"):
        if fields.get(name):
            message[name] = [_call(call, numbers) for call in fields[name]]
    if isinstance(message.get("tool_call_id"), str):
        message["tool_call_id"] = numbers(message["tool_call_id"])
    if kept := _meaningful(extras, has_calls="tool_calls" in message, numbers=numbers):
        message["additional_kwargs"] = kept
    if holds_object(message):
        raise NotCacheable("a message holds an object that has no stable key")
    return message


def _role(fields: Mapping[str, Any], extras: Mapping[str, Any]) -> str:
    kind = fields.get("type")
    if kind in _CHAT_TYPES:
        return str(fields.get("role"))
    role = _ROLES.get(kind) if isinstance(kind, str) else None
    if role is None:
        raise NotCacheable("a message of a class that is not LangChain's own")
    if role == "system" and isinstance(extras.get("__openai_role__"), str):
        return str(extras["__openai_role__"])
    return role


def _call(call: Any, numbers: Rename) -> Any:
    if not isinstance(call, dict):
        return call
    kept = {name: call.get(name) for name in ("name", "args")}
    if isinstance(call.get("id"), str):
        kept["id"] = numbers(call["id"])
    return kept


def _meaningful(extras: Mapping[str, Any], *, has_calls: bool, numbers: Rename) -> dict[str, Any]:
    """Keep what a provider may send back to the model; raw calls only when none were parsed."""
    kept = {
        name: value
        for name, value in extras.items()
        if name not in _PASSING_EXTRAS and value not in (None, "", [], {})
    }
    if _is_item(kept.get("reasoning")):
        del kept["reasoning"]
    raw = kept.pop("tool_calls", None)
    if raw and not has_calls:
        kept["tool_calls"] = [
            {**call, "id": numbers(call["id"])} if _has_id(call) else call for call in raw
        ]
    return kept


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and "id" in value


def _has_id(call: Any) -> bool:
    return isinstance(call, dict) and isinstance(call.get("id"), str)
