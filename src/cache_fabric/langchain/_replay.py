"""A kept answer as the stream that it might have been.

Content in several chunks, then the tool calls one by one, last an empty chunk with usage, metadata
and the mark of a hit. Merged, the chunks are the message of a plain hit; blocks of a content list
also carry their ``index``, as the blocks of every stream do. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall, ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

from cache_fabric.content_blocks import call_id_of

__all__ = ["pause_of", "replayed"]

_WORD = re.compile(r"\s*\S{1,32}|\s+")
_MOST_PIECES = 64  # each costs its reader a callback and a message
_LONGEST_PAUSE = 0.05
_ON_EVERY_CHUNK = ("model_provider", "output_version")  # what translates the blocks of a chunk
_TEXTS = {"text": "text", "reasoning": "reasoning", "thinking": "thinking"}
_RAW_CALLS = "tool_calls"


def replayed(generation: ChatGeneration) -> list[ChatGenerationChunk]:
    """Return a stream's chunks for a generation that `read_generations` made.

    They have no message id: LangChain gives them that of the run.
    """
    message = generation.message
    if not isinstance(message, AIMessage):  # what streams is an assistant's message
        message = AIMessage(message.content, response_metadata=message.response_metadata)
    calls = list(message.tool_calls)
    parts = [*_content(message, calls), *_calls(message, calls)]
    extras = {**message.additional_kwargs}
    raw = extras.pop(_RAW_CALLS, None)
    metadata = message.response_metadata
    shared = {name: metadata[name] for name in _ON_EVERY_CHUNK if name in metadata}
    if isinstance(message.content, str):
        shared.pop("output_version", None)  # it would make blocks of letters
    chunks = []
    for part in parts:
        if raw is not None and part.get("tool_call_chunks"):
            # Raw calls without parsed ones would be parsed, and count twice.
            extras, raw = {**extras, _RAW_CALLS: raw}, None
        chunks.append(_chunk(part, additional_kwargs=extras, response_metadata={**shared}))
        extras = {}
    last = _chunk(
        {"content": "" if isinstance(message.content, str) else []},
        additional_kwargs=extras,
        response_metadata={**metadata},
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )
    last.generation_info = generation.generation_info
    return [*chunks, last]


def pause_of(latency: float | None, chunks: int) -> float:
    """Return the seconds between two chunks of an answer that took ``latency`` seconds."""
    return min((latency or 0.0) / max(1, chunks), _LONGEST_PAUSE)


def _chunk(part: Mapping[str, Any], **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(**{**part, **fields}))


def _content(message: AIMessage, calls: list[ToolCall]) -> Iterator[dict[str, Any]]:
    """Yield the content in pieces; takes out of ``calls`` those that stand in a block."""
    if isinstance(message.content, str):
        yield from ({"content": piece} for piece in _pieces(message.content))
        return
    for index, block in enumerate(message.content):
        if isinstance(block, str):  # LangChain's "v1" has no bare texts in a stream
            block = {"type": "text", "text": block}
        field = _TEXTS.get(block.get("type", ""))
        call = _taken(calls, call_id_of(block))
        if call is not None:
            yield {
                "content": [_call_block(block, call, index)],
                "tool_call_chunks": [_call_chunk(call, index)],
            }
        elif field is not None and isinstance(block.get(field), str):
            first, *others = _pieces(block[field]) or [""]
            yield {"content": [{**block, field: first, "index": index}]}
            for piece in others:
                yield {"content": [{"type": block["type"], field: piece, "index": index}]}
        else:
            yield {"content": [{**block, "index": index}]}


def _calls(message: AIMessage, calls: Sequence[ToolCall]) -> Iterator[dict[str, Any]]:
    """Yield the calls that the content does not name."""
    plain = isinstance(message.content, str)
    start = 0 if plain else len(message.content)
    for index, call in enumerate(calls, start):
        chunk = _call_chunk(call, index)
        yield {"content": "" if plain else [], "tool_call_chunks": [chunk]}


def _taken(calls: list[ToolCall], call_id: str | None) -> ToolCall | None:
    found = next((call for call in calls if call_id is not None and call["id"] == call_id), None)
    if found is not None:
        calls.remove(found)
    return found


def _call_chunk(call: ToolCall, index: int) -> ToolCallChunk:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return ToolCallChunk(
        name=call["name"], args=arguments, id=call["id"], index=index, type="tool_call_chunk"
    )


def _call_block(block: Mapping[str, Any], call: ToolCall, index: int) -> dict[str, Any]:
    """Return the block as a stream has it: LangChain's own kind of call is still text there."""
    if block["type"] != "tool_call":
        return {**block, "index": index}
    return {**block, **_call_chunk(call, index)}


def _pieces(text: str) -> list[str]:
    """Cut a text at word boundaries; joined, the pieces are the text."""
    words = _WORD.findall(text)
    size = -(-len(words) // _MOST_PIECES) or 1
    return ["".join(words[at : at + size]) for at in range(0, len(words), size)]
