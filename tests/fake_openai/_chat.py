"""``/v1/chat/completions``: bodies in, bodies and streams of chunks out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fake_openai._mind import Asked, Message, Reply, digest, think

_FRAGMENT = 6
"""Characters of a tool call's arguments in one chunk."""


def read(body: dict[str, Any]) -> Asked:
    """The request in a body; raises ``KeyError`` or ``TypeError`` for one that is not a request."""
    answer_format = body.get("response_format") or {"type": "text"}
    stop = body.get("stop") or []
    return Asked(
        messages=[Message(m["role"], text_of(m.get("content"))) for m in body["messages"]],
        tools={
            tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object"}
            for tool in body.get("tools") or []
        },
        tool_choice=_tool_choice(body.get("tool_choice")),
        schema=answer_format.get("json_schema", {}).get("schema"),
        json_mode=answer_format["type"] == "json_object",
        stop=[stop] if isinstance(stop, str) else stop,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        digest=digest(body),
    )


def text_of(content: Any) -> str:
    """The text of a message; pictures and other blocks are accepted and say nothing."""
    if isinstance(content, list):
        return " ".join(block["text"] for block in content if "text" in block)
    return content or ""


def completion(number: int, body: dict[str, Any], ending: str | None) -> dict[str, Any]:
    """The answer to a plain request."""
    asked = read(body)
    replies = [think(asked, choice, ending) for choice in range(body.get("n") or 1)]
    choices = [
        {
            "index": index,
            "message": _message(number, reply),
            "finish_reason": reply.finish,
            "logprobs": None,
        }
        for index, reply in enumerate(replies)
    ]
    return {**_head(number, body, ""), "choices": choices, "usage": _usage(replies)}


def chunks(number: int, body: dict[str, Any], ending: str | None) -> Iterator[dict[str, Any]]:
    """The answer to a streaming request."""
    asked = read(body)
    head = _head(number, body, ".chunk")
    with_usage = (body.get("stream_options") or {}).get("include_usage", False)
    # Asked for usage, the API says ``null`` in every chunk but the last.
    head = {**head, "usage": None} if with_usage else head
    replies = [think(asked, choice, ending) for choice in range(body.get("n") or 1)]
    for index, reply in enumerate(replies):
        for delta in _deltas(number, reply):
            yield {**head, "choices": [_choice(index, delta, None)]}
        yield {**head, "choices": [_choice(index, {}, reply.finish)]}
    if with_usage:
        yield {**head, "choices": [], "usage": _usage(replies)}


def _deltas(number: int, reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if reply.calls else "", "refusal": None}
    for piece in reply.pieces:
        yield {"content": piece}
    for index, (name, arguments) in enumerate(reply.calls):
        call = {"index": index, "id": f"call_{number}_{index}", "type": "function"}
        yield {"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]}
        for start in range(0, len(arguments), _FRAGMENT):
            fragment = {"arguments": arguments[start : start + _FRAGMENT]}
            yield {"tool_calls": [{"index": index, "function": fragment}]}


def _choice(index: int, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _message(number: int, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.calls:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for index, (name, arguments) in enumerate(reply.calls)
        ]
    return message


def _head(number: int, body: dict[str, Any], suffix: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{number}",
        "object": f"chat.completion{suffix}",
        "created": 1_700_000_000 + number,
        "model": body["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def _usage(replies: list[Reply]) -> dict[str, Any]:
    tokens_in = replies[0].tokens_in
    tokens_out = sum(reply.tokens_out for reply in replies)
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    return choice or "auto"
