"""What is fit for the cache at all: which requests may be looked up, which answers may be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cache_fabric.config import FabricConfig
from cache_fabric.types import Answer, CacheRequest

__all__ = ["may_cache", "may_store"]

# An allow-list: a host's new word for "cut off" must not look like an end.
_FINISHED = frozenset(
    {
        *("stop", "end_turn", "stop_sequence", "complete", "completed", "done", "eos", "eos_token"),
        *("tool_calls", "tool_use", "function_call"),
    }
)
_SHOWN_CHARACTERS = 40


def may_cache(request: CacheRequest, config: FabricConfig) -> str | None:
    """Return why the request must bypass the cache, or ``None`` if it need not."""
    if config.require_tenant and not request.tenant:
        return "no tenant"
    if request.options.no_store:
        return "no store"
    if not any(_says_something(message) for message in request.messages):
        return "empty prompt"
    return None


def may_store(answer: Answer, config: FabricConfig) -> str | None:
    """Return why the answer must not be kept, or ``None`` if it may be."""
    if answer.error is not None:
        return answer.error or "error"
    for reason in answer.finish_reasons:
        if reason is not None and _plain(reason) not in _FINISHED:
            return f"unfinished answer: {reason[:_SHOWN_CHARACTERS]}"
    if not answer.text.strip() and not answer.tool_calls:
        return "empty answer"
    if not config.repeatable_tools.issuperset(answer.tool_calls):
        return "tool calls are not declared repeatable"
    return None


def _says_something(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return bool(content.strip())
    if isinstance(content, list | tuple):
        return any(_block_says_something(block) for block in content)
    return bool(content) or bool(message.get("tool_calls"))


def _block_says_something(block: Any) -> bool:
    """Text counts when it is not blank, an image or a document counts by being there."""
    text = block.get("text") if isinstance(block, Mapping) else block
    return bool(text.strip()) if isinstance(text, str) else bool(block)


def _plain(reason: str) -> str:
    """``STOP``, ``FINISH_REASON_STOP`` and ``FinishReason.STOP`` as ``stop``."""
    return reason.strip().lower().rpartition(".")[2].removeprefix("finish_reason_")
