"""LangChain's ``(prompt, llm_string)`` as a `CacheRequest`.

A chat model's prompt is ``dumps()`` of its messages: JSON of constructors. It is read as data and
nothing is revived, which is also four times faster than ``loads``. What differs from call to call
without meaning anything to the model (`_PASSING`: ids, usage, response metadata) is left out, so
that the second turn of a conversation has one key, whether the first was a hit or a miss. Any
other string is the prompt of a completion model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._blocks import (
    Rename,
    rename_calls,
    without_auto_ids,
    without_provider_ids,
)
from cache_fabric.langchain._settings import holds_object, read_settings
from cache_fabric.types import CacheRequest

__all__ = ["canonical", "read_request"]

_DUMPED = '[{"lc": 1, "type": '  # how `dumps` of messages begins
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


def read_request(
    prompt: str,
    llm_string: str,
    *,
    tenant: str | None = None,
    user: str | None = None,
    max_characters: int = 2**21,
) -> CacheRequest:
    """Return the request that LangChain's two strings stand for.

    Args:
        prompt: Dumped messages of a chat model, or the prompt of a completion model.
        llm_string: Settings of the model and of the call.
        tenant: Whose call it is.
        user: End user of the call.
        max_characters: Longer prompts are not even parsed.

    Raises:
        NotCacheable: The prompt is too long, or the strings do not say all that the model is
            told: a class or an object stands in them by its name or address.
    """
    if len(prompt) > max_characters:
        raise NotCacheable(f"prompt over {max_characters} characters")
    settings = read_settings(llm_string)
    if settings.refusal is not None:
        raise NotCacheable(settings.refusal)
    nodes = _dumped_messages(prompt)
    return CacheRequest(
        model=settings.model,
        messages=[{"role": "user", "content": prompt}] if nodes is None else canonical(nodes),
        tools=settings.tools,
        params=settings.params,
        tenant=tenant,
        user=user,
        kind="completion" if nodes is None else "chat",
    )


def canonical(nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages as a key sees them, from the constructor arguments of LangChain's messages.

    Raises:
        NotCacheable: A message is of a class that is not LangChain's own, or holds an object.
    """
    numbers = _CallNumbers()
    return [_message(node, numbers) for node in nodes]


class _CallNumbers:
    """Names tool calls by their order of appearance instead of by random ids."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, call_id: str) -> str:
        return str(self._numbers.setdefault(call_id, len(self._numbers)))


def _dumped_messages(prompt: str) -> list[Mapping[str, Any]] | None:
    if not prompt.startswith("[{"):
        return None
    try:
        nodes = json.loads(prompt)
    except (ValueError, RecursionError) as error:
        if not prompt.startswith(_DUMPED):
            return None
        # As a text its JSON would be compared by meaning, roles and settings and all.
        raise NotCacheable("the dumped messages cannot be read") from error
    if not all(isinstance(node, dict) and node.get("lc") == 1 for node in nodes):
        return None
    if not all(isinstance(node.get("kwargs"), dict) for node in nodes):
        raise NotCacheable("a message of a class that LangChain cannot serialise")
    return [node["kwargs"] for node in nodes]


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
