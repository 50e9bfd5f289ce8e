"""LangChain's generations as plain data, and back.

Written field by field and read back through a closed table of classes: no ``dumps``, no ``loads``,
no class is looked up by a name that was stored. What belongs to one response only (ids, headers)
is not kept; a hit gets fresh ids for its messages and its tool calls.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
)
from pydantic import BaseModel

from cache_fabric.content_blocks import rename_calls, without_provider_ids
from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.langchain._fresh import MARK, FreshCallIds, kept_extras, kept_metadata
from cache_fabric.langchain._outcome import finish_reason, flaw, tool_names
from cache_fabric.types import Answer

__all__ = ["MARK", "read_generations", "to_answer"]

_GENERATIONS: dict[str, type[Generation]] = {
    "Generation": Generation,
    "GenerationChunk": GenerationChunk,
    "ChatGeneration": ChatGeneration,
}
_MESSAGES: dict[str, type[BaseMessage]] = {
    "ai": AIMessage,
    "chat": ChatMessage,
    "human": HumanMessage,
    "system": SystemMessage,
}
# A stored answer is whole: what a stream left as chunks is read back as the finished classes.
_NAMES: dict[type[object], str] = {
    **{kind: name for name, kind in (*_GENERATIONS.items(), *_MESSAGES.items())},
    ChatGenerationChunk: "ChatGeneration",
    AIMessageChunk: "ai",
}
_NO_USAGE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def to_answer(generations: Sequence[Generation], kind: Literal["chat", "completion"]) -> Answer:
    """Return the generations as an `Answer`; one that must not be kept carries its ``error``."""
    try:
        items = [_written(generation) for generation in generations]
    except NotCacheable as error:
        return Answer(payload=None, error=f"not plain data: {error.reason}")
    except (TypeError, ValueError, RecursionError) as error:
        return Answer(payload=None, error=f"not plain data: {type(error).__name__}")
    flaws = [reason for reason in map(flaw, generations) if reason is not None]
    if kind == "chat" and not all("message" in item for item in items):
        flaws.append("a plain generation in answer to messages")
    if not items:
        flaws.append("no generations")
    return Answer(
        payload={"generations": items},
        text=items[0]["text"] if items else "",
        finish_reasons=tuple(map(finish_reason, generations)),
        tool_calls=tuple(name for generation in generations for name in tool_names(generation)),
        error=flaws[0] if flaws else None,
    )


def read_generations(
    payload: Any, kind: Literal["chat", "completion"], mark: Mapping[str, Any]
) -> list[Generation]:
    """Return the generations of a payload that `to_answer` made; nothing of it is shared.

    Args:
        payload: A private copy of what was kept.
        kind: Of the request; only a completion may be answered by plain generations.
        mark: Goes into ``generation_info`` and ``response_metadata`` of chat generations.

    Raises:
        CodecError: The payload is not one of ours.
    """
    try:
        generations = [_read(item, mark) for item in payload["generations"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError("the payload does not hold generations") from error
    chats = [isinstance(generation, ChatGeneration) for generation in generations]
    if not chats or (kind == "chat" and not all(chats)):
        raise CodecError("the payload holds no generations for this kind of request")
    return generations


def _written(generation: Generation) -> dict[str, Any]:
    item: dict[str, Any] = {"kind": _name(generation), "text": _plain(generation.text)}
    info = generation.generation_info
    if isinstance(generation, ChatGeneration):
        item["message"] = _written_message(generation.message)
        info = None if info is None else kept_metadata(info)
    item["info"] = None if info is None else _plain_values(info)
    return item


def _written_message(message: BaseMessage) -> dict[str, Any]:
    item = {
        "type": _name(message),
        "content": without_provider_ids(_plain(message.content)),
        "name": message.name,
        "additional_kwargs": _plain(kept_extras(message.additional_kwargs)),
        "response_metadata": _plain_values(kept_metadata(message.response_metadata)),
        "extra": _plain(message.model_extra or {}),
    }
    if isinstance(message, ChatMessage):
        item["role"] = message.role
    if isinstance(message, AIMessage):
        item["tool_calls"] = _plain(message.tool_calls)
        item["invalid_tool_calls"] = _plain(message.invalid_tool_calls)
        item["usage"] = _plain(message.usage_metadata)
    return item


def _name(value: Generation | BaseMessage) -> str:
    name = _NAMES.get(type(value))
    if name is None:  # a subclass may hold more than the fields that are kept
        raise NotCacheable(f"an answer of class {type(value).__name__}")
    return name


def _plain_values(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the metadata that plain data can say; a value that it cannot say is left out."""
    kept = {}
    for name, value in metadata.items():
        try:
            kept.update(_plain({name: value}))
        except NotCacheable:
            continue
    return kept


def _plain(value: Any) -> Any:
    """Copy a value down to what JSON can say; a pydantic object becomes its fields."""
    if value is None or isinstance(value, bool):
        return value
    for kind, exactly in _LEAVES:  # LangChain's texts, many enums and numbers are subclasses
        if isinstance(value, kind):
            return exactly(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json", by_alias=True))
    raise NotCacheable(f"a value of type {type(value).__name__}")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NotCacheable("a number that is not finite")
    return float(value)


_LEAVES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int),
    (float, _finite),
)


def _read(item: Mapping[str, Any], mark: Mapping[str, Any]) -> Generation:
    kind = _GENERATIONS[item["kind"]]
    info = item["info"]
    if kind is not ChatGeneration:
        return kind(text=item["text"], generation_info=info)
    marked = {**(info or {}), MARK: dict(mark)}
    return ChatGeneration(message=_read_message(item["message"], mark), generation_info=marked)


def _read_message(item: Mapping[str, Any], mark: Mapping[str, Any]) -> BaseMessage:
    calls = FreshCallIds()
    fields: dict[str, Any] = {
        "content": rename_calls(item["content"], calls),
        "name": item["name"],
        "response_metadata": {**item["response_metadata"], MARK: dict(mark)},
        "id": f"lc_{uuid.uuid4()}",
    }
    if item["type"] == "chat":
        fields["role"] = item["role"]
    if item["type"] == "ai":
        fields["tool_calls"] = calls.in_calls(item["tool_calls"])
        fields["invalid_tool_calls"] = calls.in_calls(item["invalid_tool_calls"])
        # Without all three counts the core's ``{"total_cost": 0}`` would not be valid usage.
        fields["usage_metadata"] = {**_NO_USAGE, **(item["usage"] or {})}
    fields["additional_kwargs"] = calls.in_extras(item["additional_kwargs"])
    return _MESSAGES[item["type"]](**{**item["extra"], **fields})
