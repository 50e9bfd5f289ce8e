"""The state of a graph that is made from a manifest: a dict with any keys, merged node by node.

The runtime writes ``output`` (what the last node said), ``node_outputs`` (what each said, by its
id) and ``error`` (of a node whose error had an edge). ``messages`` are a conversation: added to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.messages import get_buffer_string as transcript
from langgraph.graph.message import add_messages

__all__ = [
    "PINNED",
    "QUESTIONS",
    "State",
    "as_text",
    "conversation",
    "merged",
    "names_in",
    "written",
]

QUESTIONS = ("input", "question", "query")
PINNED = "cache_fabric_pinned"
"""Under it a pinned run keeps what it has read of its contexts, by key."""
_BY_NODE = "node_outputs"


def merged(state: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state with an update: messages are added, the outputs of nodes put together."""
    after = {**state, **update}
    if "messages" in update:
        before: Any = state.get("messages") or []
        after["messages"] = add_messages(before, update["messages"] or [])
    if _BY_NODE in update:
        after[_BY_NODE] = {**(state.get(_BY_NODE) or {}), **update[_BY_NODE]}
    if PINNED in after and after[PINNED] is None:  # the run has ended, and is kept without it
        del after[PINNED]
    return after


State = Annotated[dict[str, Any], merged]


def written(node_id: str, said: Any) -> dict[str, Any]:
    """Return the update that tells what a node said; nothing for ``None``."""
    return {} if said is None else {"output": said, _BY_NODE: {node_id: said}}


def conversation(state: Mapping[str, Any]) -> list[BaseMessage]:
    """Return the messages of a state, or its question as one; empty if it has neither."""
    if state.get("messages"):
        return convert_to_messages(state["messages"])
    asked = (state[name] for name in QUESTIONS if isinstance(state.get(name), str))
    question = next(asked, None)
    return [] if question is None else [HumanMessage(question)]


def names_in(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what templates and conditions may name: the state, and what its nodes said."""
    own = {name: value for name, value in state.items() if name != PINNED}
    said = own.get("output")
    outputs = own.get(_BY_NODE) or {}
    return {**outputs, "result": said, "last_output": said, "state": own, **own}


def as_text(value: Any) -> str:
    """Return a value as it is put into a prompt."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, BaseMessage) for one in value):
        return transcript(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
