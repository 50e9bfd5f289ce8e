"""``/v1/responses``: bodies in, bodies and streams of events out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fake_openai._chat import text_of
from fake_openai._mind import Asked, Message, Reply, digest, think

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def read(body: dict[str, Any]) -> Asked:
    """The request in a body; raises ``KeyError`` or ``TypeError`` for one that is not a request."""
    answer_format = (body.get("text") or {}).get("format") or {"type": "text"}
    choice = body.get("tool_choice") or "auto"
    return Asked(
        messages=_messages(body),
        tools={
            tool["name"]: tool.get("parameters") or {"type": "object"}
            for tool in body.get("tools") or []
            if tool["type"] == "function"
        },
        tool_choice=choice["name"] if isinstance(choice, dict) else choice,
        schema=answer_format.get("schema"),
        json_mode=answer_format["type"] == "json_object",
        max_tokens=body.get("max_output_tokens"),
        digest=digest(body),
    )


def response(number: int, body: dict[str, Any], ending: str | None) -> dict[str, Any]:
    """The answer to a plain request."""
    reply = think(read(body), ending=ending)
    return _finished(number, body, reply)


def events(number: int, body: dict[str, Any], ending: str | None) -> Iterator[dict[str, Any]]:
    """The answer to a streaming request, each event with its sequence number."""
    reply = think(read(body), ending=ending)
    for sequence, event in enumerate(_events(number, body, reply)):
        yield {**event, "sequence_number": sequence}


def _events(number: int, body: dict[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    begun = _response(number, body, "in_progress", [])
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(_items(number, reply)):
        place = {"output_index": index}
        if item["type"] == "message":
            yield from _message_events(item, reply.pieces, place)
        else:
            yield from _call_events(item, place)
    ended = _finished(number, body, reply)
    yield {"type": f"response.{ended['status']}", "response": ended}


def _message_events(
    item: dict[str, Any], pieces: list[str], place: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    (part,) = item["content"]
    added = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", **place, "item": added}
    at = {**place, "item_id": item["id"], "content_index": 0}
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces:
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", **place, "item": item}


def _call_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    added = {**item, "status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", **place, "item": added}
    at = {**place, "item_id": item["id"]}
    arguments = item["arguments"]
    middle = len(arguments) // 2
    for fragment in (arguments[:middle], arguments[middle:]):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": fragment}
    done = {**at, "name": item["name"], "arguments": arguments}
    yield {"type": "response.function_call_arguments.done", **done}
    yield {"type": "response.output_item.done", **place, "item": item}


def _items(number: int, reply: Reply) -> list[dict[str, Any]]:
    if not reply.calls:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{number}", "role": "assistant"}
        return [{**message, "status": "completed", "content": [part]}]
    return [
        {
            "type": "function_call",
            "id": f"fc_{number}_{index}",
            "call_id": f"call_{number}_{index}",
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        for index, (name, arguments) in enumerate(reply.calls)
    ]


def _finished(number: int, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    reason = _INCOMPLETE.get(reply.finish)
    answer = _response(number, body, "incomplete" if reason else "completed", _items(number, reply))
    answer["incomplete_details"] = {"reason": reason} if reason else None
    answer["usage"] = {
        "input_tokens": reply.tokens_in,
        "output_tokens": reply.tokens_out,
        "total_tokens": reply.tokens_in + reply.tokens_out,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return answer


def _response(
    number: int, body: dict[str, Any], status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_700_000_000 + number,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "usage": None,
    }


def _messages(body: dict[str, Any]) -> list[Message]:
    told = body["input"]
    if isinstance(told, str):
        told = [{"role": "user", "content": told}]
    messages = [Message("system", body["instructions"])] if body.get("instructions") else []
    for item in told:
        if item.get("type") == "function_call_output":
            messages.append(Message("tool", text_of(item["output"])))
        elif item.get("type") == "function_call":
            messages.append(Message("assistant", f"{item['name']} {item['arguments']}"))
        elif "role" in item:
            messages.append(Message(item["role"], text_of(item.get("content"))))
    return messages
