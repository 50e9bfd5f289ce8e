"""Content blocks without what providers write into them for one response only.

Ids of blocks, of tool calls and of items that live at the provider differ from call to call and
mean nothing to the model. They are left out of keys and of what is kept, so that a conversation
has the same key after a hit as after a miss. Pure, and free of LangChain's classes: the same rules
serve dumped prompts and live messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "Rename",
    "call_id_of",
    "hosted_tools",
    "rename_calls",
    "without_auto_ids",
    "without_item_ids",
    "without_provider_ids",
]

Rename = Callable[[str], str]

_AUTO_ID = "lc_"  # LangChain's own ids, made up for one object
_CALL_ID_FIELDS = {
    "custom_tool_call": "call_id",
    "function_call": "call_id",
    "invalid_tool_call": "id",
    "tool_call": "id",
    "tool_result": "tool_use_id",
    "tool_use": "id",
}
_OWN_ID_TYPES = frozenset(
    {"custom_tool_call", "function_call", "output_text", "reasoning", "refusal", "text", "thinking"}
)


def without_provider_ids(content: Any) -> Any:
    """Return an assistant message's content without ids that another response would not have.

    A reasoning item of the Responses API is left out as a whole: it can be sent back only under
    its id, which the provider takes once in a conversation and only while it keeps the item.
    """
    if not isinstance(content, list):
        return content
    return [_anonymous(block) for block in content if not _is_reasoning_item(block)]


def without_auto_ids(content: Any) -> Any:
    """Return content of a user, a system or a tool without ids that LangChain made up."""
    if not isinstance(content, list):
        return content
    return [_without_auto_id(block) for block in content]


def without_item_ids(content: Any, items: set[Any]) -> Any:
    """Return a part of a stream as `without_provider_ids` would, with its places in the stream.

    Args:
        content: Of one chunk.
        items: Places of reasoning items in the chunks before; those of this one are added.
    """
    if not isinstance(content, list):
        return content
    kept = []
    for block in content:
        if _is_reasoning_item(block):
            items.add(block.get("index"))
        if _kind(block) == "reasoning" and block.get("index") in items:
            continue
        own = _kind(block) in _OWN_ID_TYPES
        kept.append({k: v for k, v in block.items() if k != "id"} if own else block)
    return kept


def rename_calls(content: Any, rename: Rename) -> Any:
    """Return content whose blocks name their tool calls by other ids; arguments stay."""
    if not isinstance(content, list):
        return content
    return [_renamed(block, rename) for block in content]


def call_id_of(block: Any) -> str | None:
    """Return the id of the tool call that a block stands for, ``None`` for any other block."""
    field = _CALL_ID_FIELDS.get(_kind(block))
    call_id = None if field is None else block.get(field)
    return call_id if isinstance(call_id, str) else None


def hosted_tools(content: Any) -> tuple[str, ...]:
    """Return the tools that the provider itself ran for this content (web search and the like)."""
    if not isinstance(content, list):
        return ()
    return tuple(str(block.get("name") or _kind(block)) for block in content if _is_hosted(block))


def _kind(block: Any) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    return kind if isinstance(kind, str) else ""


def _is_hosted(block: Any) -> bool:
    kind = _kind(block)
    if kind in _CALL_ID_FIELDS:
        return False
    return kind.startswith(("server_tool_", "mcp_")) or kind.endswith("_call")


def _is_reasoning_item(block: Any) -> bool:
    if _kind(block) != "reasoning":
        return False
    return isinstance(block.get("id"), str) and not block["id"].startswith(_AUTO_ID)


def _anonymous(block: Any) -> Any:
    kind = _kind(block)
    if kind not in _OWN_ID_TYPES and kind not in _CALL_ID_FIELDS:
        return _without_auto_id(block)
    passing = {"index"}  # the place in a stream
    if kind in _OWN_ID_TYPES:
        passing.add("id")
    kept = {name: value for name, value in block.items() if name not in passing}
    if isinstance(kept.get("extras"), dict):
        extras = {k: v for k, v in kept.pop("extras").items() if k != "item_id"}
        kept |= {"extras": extras} if extras else {}
    return kept


def _without_auto_id(block: Any) -> Any:
    if isinstance(block, dict) and str(block.get("id", "")).startswith(_AUTO_ID):
        return {name: value for name, value in block.items() if name != "id"}
    return block


def _renamed(block: Any, rename: Rename) -> Any:
    call_id = call_id_of(block)
    if call_id is None:
        return block
    return {**block, _CALL_ID_FIELDS[_kind(block)]: rename(call_id)}
