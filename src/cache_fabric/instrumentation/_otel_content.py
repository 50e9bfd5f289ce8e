"""What people and models said, as the attributes of the GenAI conventions; only with leave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cache_fabric.instrumentation import otel_names as names

__all__ = ["as_text", "conversation"]


def conversation(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of what was asked and answered; none of no content."""
    found: dict[str, str] = {}
    messages = [one for one in content.get("messages", ()) if isinstance(one, Mapping)]
    system = [part for one in messages if _is_system(one) for part in _parts(one.get("content"))]
    if system:
        found[names.SYSTEM_INSTRUCTIONS] = as_text(system)
    if messages:
        found[names.INPUT_MESSAGES] = as_text([_message(m) for m in messages if not _is_system(m)])
    if "answer" in content:
        said = {"role": "assistant", "parts": _parts(content["answer"])}
        found[names.OUTPUT_MESSAGES] = as_text([said])
    return found


def as_text(value: Any) -> str:
    """Return a value as JSON; of what JSON cannot say its class alone."""
    if isinstance(value, str):
        return value
    return json.dumps(value, default=lambda one: f"({type(one).__name__})")


def _is_system(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("system", "developer")


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message.get("role", "user"), "parts": _parts(message.get("content"))}


def _parts(content: Any) -> list[Any]:
    if isinstance(content, Iterable) and not isinstance(content, str | bytes | Mapping):
        return [part for block in content for part in _parts(block)]
    if isinstance(content, Mapping) and content.get("type") == "text":
        return [{"type": "text", "content": content.get("text")}]
    if content is None:
        return []
    return [{"type": "text", "content": content}] if isinstance(content, str) else [content]
