"""Answers of chat completions as the payload that LangChain's host writes, and back. Pure.

So one entry serves both hosts. A payload that cannot be said in OpenAI's objects (content blocks of
the Responses API) is no answer here. Ids belong to one response only: a hit gets fresh ones.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.litellm._messages import read_calls
from cache_fabric.types import Answer, CacheEntry, Usage
from cache_fabric.usage_forms import read_usage

__all__ = ["read_chat", "to_chat_answer", "usage_of"]

_READ_APART = frozenset({"content", "role", "tool_calls"})
_NOT_SAID = frozenset({"parsed", "tool_calls"})
_METADATA = ("service_tier", "system_fingerprint")


def to_chat_answer(body: Mapping[str, Any], provider: str, *, parses: bool) -> Answer:
    """Return the body of a response as an `Answer`; one that must not be kept has an ``error``.

    Args:
        body: Plain data, as OpenAI's API answers.
        provider: Goes into the metadata.
        parses: Whether a class was given as the format: LangChain expects its fields parsed.
    """
    try:
        items = [_written(choice, body, provider, parses) for choice in body.get("choices") or ()]
    except (NotCacheable, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = error.reason if isinstance(error, NotCacheable) else type(error).__name__
        return Answer(payload=None, error=f"not an answer: {reason}")
    flaws = [flaw for flaw in map(_flaw, items) if flaw is not None]
    if body.get("error"):
        flaws.append("an error")
    if not items:
        flaws.append("no choices")
    return Answer(
        payload={"generations": items},
        text=items[0]["text"] if items else "",
        # Every provider says why it stopped; an answer that does not may be cut.
        finish_reasons=tuple(item["info"]["finish_reason"] or "unknown" for item in items),
        tool_calls=tuple(name for item in items for name in _tools(item["message"])),
        error=flaws[0] if flaws else None,
    )


def read_chat(payload: Any, entry: CacheEntry) -> dict[str, Any]:
    """Return a response's body for a payload, with fresh ids.

    Raises:
        CodecError: The payload is not one of ours, or says what OpenAI's objects cannot.
    """
    try:
        messages = [_message(item) for item in payload["generations"]]
        first = payload["generations"][0]["message"]
        metadata = first["response_metadata"]
        body = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(entry.created),
            "model": metadata.get("model_name") or entry.model,
            "choices": [_choice(index, *message) for index, message in enumerate(messages)],
            **{name: metadata[name] for name in _METADATA if metadata.get(name) is not None},
        }
        usage = read_usage(first["usage"])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CodecError("the payload does not hold chat completions") from error
    return body if usage is None else {**body, "usage": _openai_usage(usage)}


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call, ``None`` where they are not known."""
    return read_usage(body.get("usage"), body.get("service_tier"))


def _written(
    choice: Mapping[str, Any], body: Mapping[str, Any], provider: str, parses: bool
) -> dict[str, Any]:
    message = choice["message"]
    content = message.get("content")
    content = "" if content is None else content
    if not isinstance(content, str):
        raise NotCacheable("content that is not text")
    calls, invalid = read_calls(message.get("tool_calls") or ())
    info = {"finish_reason": choice.get("finish_reason"), "logprobs": choice.get("logprobs")}
    told = {"model_provider": provider, "model_name": body.get("model"), **info}
    told |= {name: body[name] for name in _METADATA if body.get(name) is not None}
    extras = {
        name: value for name, value in message.items() if name not in _READ_APART and _says(value)
    }
    if parses:
        extras["parsed"] = json.loads(content)
    usage = usage_of(body)
    return {
        "kind": "ChatGeneration",
        "text": content,
        "info": info,
        "message": {
            "type": "ai",
            "content": content,
            "name": None,
            "additional_kwargs": {"refusal": None, **extras},
            "response_metadata": told,
            "extra": {},
            "tool_calls": [{**call, "type": "tool_call"} for call in calls],
            "invalid_tool_calls": [{**call, "type": "invalid_tool_call"} for call in invalid],
            "usage": None if usage is None else _langchain_usage(usage),
        },
    }


def _says(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(item is not None for item in value.values())
    return value not in (None, "", [])


def _flaw(item: Mapping[str, Any]) -> str | None:
    message = item["message"]
    if message["additional_kwargs"].get("refusal"):
        return "a refusal"
    if message["invalid_tool_calls"]:
        return "a tool call that cannot be read"
    return None


def _tools(message: Mapping[str, Any]) -> list[str]:
    names = [str(call["name"]) for call in message["tool_calls"]]
    legacy = message["additional_kwargs"].get("function_call")
    return [*names, str(legacy.get("name"))] if isinstance(legacy, Mapping) else names


def _langchain_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": {
            "cache_read": usage.cache_read_tokens,
            **({"cache_creation": n} if (n := usage.cache_creation_tokens) else {}),
        },
        "output_token_details": {"reasoning": usage.reasoning_tokens},
    }


def _openai_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _message(item: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return a message of OpenAI's API, and how it ended."""
    message = item["message"]
    content, extras = message["content"], message["additional_kwargs"]
    if item["kind"] != "ChatGeneration" or message["type"] != "ai" or message["invalid_tool_calls"]:
        raise CodecError("the payload is no answer of an assistant")
    if not isinstance(content, str) or message["extra"] or _is_foreign(extras):
        raise CodecError("the payload says what a chat completion cannot")
    calls = [_call(index, call) for index, call in enumerate(message["tool_calls"])]
    told = {name: v for name, v in extras.items() if name not in _NOT_SAID and v is not None}
    said: dict[str, Any] = {"role": "assistant", "content": content or None, **told}
    if calls:
        said["tool_calls"] = calls
    elif not told:
        said["content"] = content
    return said, {**message["response_metadata"], **(item["info"] or {})}


def _is_foreign(extras: Mapping[str, Any]) -> bool:
    return "reasoning" in extras or any(name.startswith("__") for name in extras)


def _call(index: int, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return {
        "index": index,
        "id": f"call_{uuid.uuid4().hex}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }


def _choice(index: int, message: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    choice = {"index": index, "message": message, "finish_reason": told.get("finish_reason")}
    return choice if told.get("logprobs") is None else {**choice, "logprobs": told["logprobs"]}
