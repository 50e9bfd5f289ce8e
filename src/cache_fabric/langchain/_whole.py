"""What a model's hooks gave back, as LangChain would hand it to a cache.

LangChain works a result over before its cache sees it: metadata is gathered in the message, and
under ``output_version="v1"`` the content becomes standard blocks. The same is done here, to a
copy, so that `FabricCache` and a wrapped model keep the same answer under the same key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._outcome import finish_reason

__all__ = ["whole_result", "whole_stream"]


def whole_result(result: ChatResult, output_version: str | None) -> list[ChatGeneration]:
    """Return the generations of a call."""
    several = len(result.generations) > 1
    told = {} if several else result.llm_output or {}
    return [_whole(generation, told, output_version) for generation in result.generations]


def whole_stream(
    chunks: Sequence[ChatGenerationChunk], output_version: str | None
) -> list[ChatGeneration]:
    """Return the generation that a stream's chunks add up to.

    Raises:
        NotCacheable: The stream ended without saying why the model stopped: it may be cut.
    """
    merged = merge_chat_generation_chunks(list(chunks))
    if merged is None or finish_reason(merged) is None:
        raise NotCacheable("a stream that ended without a finish reason")
    content = _without_bare_text(merged.message.content)
    message = merged.message.model_copy(update={"content": content})
    return [_whole(merged.model_copy(update={"message": message}), {}, output_version)]


def _without_bare_text(content: Any) -> Any:
    """Return merged content as a call gives it: a stream may mix texts and empty lists."""
    if not isinstance(content, list):
        return content
    if content and all(isinstance(block, str) for block in content):
        return "".join(content)
    return [{"type": "text", "text": b} if isinstance(b, str) else b for b in content]


def _whole(
    generation: ChatGeneration, told: Mapping[str, Any], output_version: str | None
) -> ChatGeneration:
    info = generation.generation_info or {}
    message = message_chunk_to_message(generation.message)
    metadata = {**told, **info, **message.response_metadata}
    message = message.model_copy(update={"response_metadata": metadata})
    if output_version == "v1":
        message = _in_blocks(message)
    return ChatGeneration(message=message, generation_info=generation.generation_info)


def _in_blocks(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, AIMessage):
        return message
    metadata = {**message.response_metadata}
    if isinstance(message.content, str):
        # A part of a stream may have said that these are blocks already.
        metadata.pop("output_version", None)
        message = message.model_copy(update={"response_metadata": metadata})
    blocks = message.content_blocks
    metadata["output_version"] = "v1"
    return message.model_copy(update={"content": blocks, "response_metadata": metadata})
