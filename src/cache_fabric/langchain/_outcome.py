"""How a generation ended: its finish reason, its tools, and why it must not be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from cache_fabric.content_blocks import hosted_tools
from cache_fabric.types import Usage
from cache_fabric.usage_forms import read_usage

__all__ = ["finish_reason", "flaw", "tool_names", "usage_of"]

_REASONS = ("finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason")
_STATUSES = ("cancelled", "completed", "failed", "in_progress", "incomplete", "queued")


def finish_reason(generation: Generation) -> str | None:
    """Return why the model stopped, in its provider's word; ``None`` when nobody says."""
    places = [generation.generation_info or {}]
    if isinstance(generation, ChatGeneration):
        places.append(generation.message.response_metadata)
    for place in places:
        for name in _REASONS:
            if isinstance(place.get(name), str):
                return str(place[name])
    return next(filter(None, map(_status, places)), None)


def tool_names(generation: Generation) -> tuple[str, ...]:
    """Return the tools that a generation calls, those that the provider ran by itself included."""
    if not isinstance(generation, ChatGeneration):
        return ()
    message = generation.message
    extras = message.additional_kwargs
    names = [call["name"] for call in message.tool_calls] if isinstance(message, AIMessage) else []
    names += hosted_tools(message.content)
    names += hosted_tools(extras.get("tool_outputs"))
    if isinstance(extras.get("function_call"), Mapping):
        names.append(str(extras["function_call"].get("name")))
    return tuple(names)


def flaw(generation: Generation) -> str | None:
    """Return why a generation is no complete answer, ``None`` when it is one."""
    if not isinstance(generation, ChatGeneration):
        return None if generation.text.strip() else "an empty answer"
    message = generation.message
    if message.additional_kwargs.get("refusal") or _holds_refusal(message.content):
        return "a refusal"
    if isinstance(message, AIMessage) and message.invalid_tool_calls:
        return "a tool call that cannot be read"
    if not generation.text.strip() and not tool_names(generation):
        return "an empty answer"
    return None


def usage_of(generations: Sequence[Generation]) -> Usage | None:
    """Return the tokens of the call; providers report one sum with every alternative."""
    for generation in generations[:1]:
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            message, told = generation.message, generation.message.response_metadata
            # A hit of another cache may have left nothing but ``{"total_cost": 0}``: it says that
            # this call took no tokens, whatever the answer's first call has left beside it.
            said = message.usage_metadata or told.get("token_usage") or told.get("usage")
            return read_usage(said, told.get("service_tier"))
    return None


def _holds_refusal(content: Any) -> bool:
    blocks = content if isinstance(content, list) else []
    return any(isinstance(block, dict) and block.get("type") == "refusal" for block in blocks)


def _status(place: Mapping[str, Any]) -> str | None:
    """Return the finish reason as the Responses API says it: a status, with its details."""
    if place.get("status") not in _STATUSES:
        return None
    details = place.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    return str(reason or place["status"])
