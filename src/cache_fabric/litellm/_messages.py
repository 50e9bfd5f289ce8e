"""Messages of OpenAI's chat API as the constructor arguments that `chat_form` takes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cache_fabric.errors import NotCacheable

__all__ = ["message_nodes", "read_calls"]

_TYPES = {
    "assistant": "ai",
    "developer": "system",
    "function": "function",
    "system": "system",
    "tool": "tool",
    "user": "human",
}
_READ_APART = frozenset({"content", "name", "role", "tool_call_id", "tool_calls"})


def message_nodes(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """Return a node for each message: a mapping, or an object of LiteLLM (an answer put back).

    Raises:
        NotCacheable: A message is neither, or a call of a tool has a shape that is not known.
    """
    return [_node(_fields(message)) for message in messages]


def read_calls(calls: Iterable[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the calls of tools whose arguments are JSON, and those whose arguments are not.

    Raises:
        NotCacheable: A call is of another kind than a function.
    """
    valid: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    for call in calls:
        fields = _fields(call)
        if fields.get("type") not in (None, "function"):
            raise NotCacheable("a tool call that is not of a function")
        function = _fields(fields.get("function"))
        name, text = function.get("name"), function.get("arguments")
        try:
            arguments = json.loads(str(text), strict=False)
        except (ValueError, RecursionError):
            invalid.append({"name": name, "args": text, "id": fields.get("id")})
        else:
            valid.append({"name": name, "args": arguments, "id": fields.get("id")})
    return valid, invalid


def _node(fields: Mapping[str, Any]) -> dict[str, Any]:
    role = fields.get("role")
    kind = _TYPES.get(role) if isinstance(role, str) else None
    node: dict[str, Any] = {"type": kind or "chat", "content": fields.get("content")}
    extras = {name: _spoken(v) for name, v in fields.items() if name not in _READ_APART}
    if kind is None:
        node["role"] = role
    if role == "developer":
        extras["__openai_role__"] = role
    if role == "assistant":
        if node["content"] is None:
            node["content"] = ""
        node["tool_calls"], node["invalid_tool_calls"] = read_calls(fields.get("tool_calls") or ())
    elif fields.get("tool_calls"):
        raise NotCacheable("tool calls in a message that is not the assistant's")
    if role == "tool":
        node["status"] = "success"
    for name in ("name", "tool_call_id"):
        if fields.get(name) is not None:
            node[name] = fields[name]
    return {**node, "additional_kwargs": extras}


def _spoken(value: Any) -> Any:
    """Return a part of a message, ``None`` where LiteLLM only says that a provider said nothing."""
    value = _plain(value)
    if isinstance(value, dict) and all(item is None for item in value.values()):
        return None
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


def _fields(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        if isinstance(dumped, dict):
            return dumped
    raise NotCacheable(f"a message or a call of class {type(value).__name__}")
