"""A person's words in the place of a model's, in the form that the host reads. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from cache_fabric.types import CacheEntry

__all__ = ["HUMAN", "corrected", "reason_of"]

HUMAN = "human"
"""Tag of an answer that a person wrote."""
_THOUGHTS = ("reasoning_content",)


def corrected(
    entry: CacheEntry, text: str, *, entry_id: str, question: str | None, at: float
) -> CacheEntry | None:
    """Return the answer that takes the place of one, ``None`` if its form cannot hold a text.

    It never expires. What the model call cost stays with it: a hit saves that call.

    Args:
        entry: The answer that was wrong.
        text: The right one.
        entry_id: Of the new entry; names the key under which it is asked for.
        question: What was asked.
        at: When it was said, seconds since the epoch.
    """
    payload = _with_text(entry.payload, text)
    if payload is None:
        return None
    return dataclasses.replace(
        entry,
        id=entry_id,
        exact=entry_id.partition(".")[0],
        question=question,
        payload=payload,
        text=text,
        created=at,
        expires=None,
        tags=(*(tag for tag in entry.tags if tag != HUMAN), HUMAN),
    )


def _with_text(payload: Any, text: str) -> Any:
    if isinstance(payload, str):
        return text
    try:
        (item,) = payload["generations"]
        message = item.get("message")
        said = {**item, "text": text, "info": _info(item["info"])}
        return {"generations": [said if message is None else {**said, **_message(message, text)}]}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _message(message: dict[str, Any], text: str) -> dict[str, Any]:
    """Raise `ValueError` for a message that says more than a text."""
    extras = {k: v for k, v in message["additional_kwargs"].items() if k not in _THOUGHTS}
    says_more = message.get("tool_calls") or message.get("invalid_tool_calls") or message["extra"]
    if says_more or any(value is not None for value in extras.values()):
        raise ValueError("not a text alone")
    fresh = {
        "content": _content(message["content"], text),
        "additional_kwargs": extras,
        "response_metadata": _info(message["response_metadata"]),
    }
    return {"message": {**message, **fresh}}


def _content(content: Any, text: str) -> Any:
    """Blocks become one block: what else the model said there belongs to its own answer."""
    if isinstance(content, str):
        return text
    if sum(block["type"] == "text" for block in content) != 1 or not all(
        block["type"] in ("text", "reasoning", "thinking") for block in content
    ):
        raise ValueError("not a text alone")
    return [{"type": "text", "text": text}]


def _info(info: dict[str, Any] | None) -> dict[str, Any] | None:
    """Probabilities are those of the model's own words."""
    return None if info is None else {k: v for k, v in info.items() if k != "logprobs"}


def reason_of(entry: CacheEntry, reason: str = "same request") -> str:
    """Return why an answer is served; one that a person wrote says so."""
    return f"a person's answer, {reason}" if HUMAN in entry.tags else reason
