"""What a graph node wrote, made ready to be written again in another run.

LangGraph replaces messages of equal id, so a message that is written again needs a fresh one, and
fresh ids for its tool calls. Some writes mean nothing outside their run: those are not kept.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage, ToolMessage

from cache_fabric.content_blocks import rename_calls
from cache_fabric.langchain._fresh import FreshCallIds

__all__ = ["freshened", "tied_to_its_run"]

_EVERYTHING = "__remove_all__"  # `langgraph.graph.message.REMOVE_ALL_MESSAGES`


def tied_to_its_run(value: Any) -> str | None:
    """Return why these writes cannot be written in another run, ``None`` if they can."""
    made: set[str | None] = set()
    for part in _parts(value):
        if isinstance(part, RemoveMessage) and part.id != _EVERYTHING:
            return "a message is removed by its id"
        if isinstance(part, AIMessage):
            made.update(call["id"] for call in (*part.tool_calls, *part.invalid_tool_calls))
        if isinstance(part, ToolMessage) and part.tool_call_id not in made:
            return "a tool call is answered that was made elsewhere"
        if isinstance(part, BaseException):
            return "an exception"  # which LangGraph would write as its repr
    return None


def freshened(value: Any) -> Any:
    """Return the writes with fresh ids of messages and tool calls; what is paired stays paired."""
    return _freshened(value, FreshCallIds())


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | deque):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, dict):
        yield from _parts(list(value.values()))
    else:
        yield value


def _freshened(value: Any, calls: FreshCallIds) -> Any:
    if isinstance(value, BaseMessage):
        return _fresh_message(value, calls)
    if isinstance(value, list | deque):
        return type(value)(_freshened(item, calls) for item in value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_freshened(item, calls) for item in value)
    if type(value) is dict:
        return {name: _freshened(item, calls) for name, item in value.items()}
    return value


def _fresh_message(message: BaseMessage, calls: FreshCallIds) -> BaseMessage:
    if isinstance(message, RemoveMessage):
        return message
    fields: dict[str, Any] = {
        "id": f"lc_{uuid.uuid4()}",
        "content": rename_calls(message.content, calls),
    }
    if isinstance(message, AIMessage):
        fields["tool_calls"] = calls.in_calls(message.tool_calls)
        fields["invalid_tool_calls"] = calls.in_calls(message.invalid_tool_calls)
    if isinstance(message, ToolMessage):
        fields["tool_call_id"] = calls(message.tool_call_id)
    fields["additional_kwargs"] = calls.in_extras(message.additional_kwargs)
    return message.model_copy(update=fields)
