"""Keys under which LangGraph nodes with a messages state can be found again.

LangGraph's own key is a pickle of the node's input, and a message has another id in every run, so
a messages state never hits. Here messages count as a model is told of them (`_prompt.canonical`),
and everything else in the state counts exactly.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from cache_fabric.chat_form import canonical
from cache_fabric.errors import NotCacheable
from cache_fabric.keys import canonical as canonical_bytes
from cache_fabric.langchain._call import message_node

__all__ = ["message_key"]

_MOST_BYTES = 2**24
_LEAVES = (str, int, float, bytes, type(None))
_log = logging.getLogger("cache_fabric")


def message_key(*args: Any, **kwargs: Any) -> str:
    """Return the key of a node's input, for ``CachePolicy(key_func=message_key)``.

    Ids, usage, response metadata and artifacts of messages do not count, and tool calls are named
    by their order. A node that reads those needs a key function of its own, and so does one whose
    result depends on the run's context, which LangGraph does not show to a key function.

    An input that has no stable key (an object in the state, a message of a foreign class) gets a
    random one, under which nothing is ever found; that is logged once for its reason.
    """
    try:
        encoded = canonical_bytes(_form([args, kwargs]), _MOST_BYTES)
    except (NotCacheable, RecursionError) as error:
        _tell_once(getattr(error, "reason", type(error).__name__))
        return secrets.token_hex(32)
    return hashlib.sha256(encoded).hexdigest()


def _form(value: Any) -> Any:
    """Return plain data that says what kind each part was, so that no two states share it."""
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, BaseMessage):
        return ("messages", canonical([message_node(value)]))
    kind = type(value)
    named = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, BaseMessage) for item in value):
            return (named, "messages", canonical(map(message_node, value)))
        return (named, [_form(item) for item in value])
    return (named, _content(value))


def _content(value: Any) -> Any:
    """Return what a container of another kind than a sequence holds."""
    if isinstance(value, set | frozenset):
        return frozenset(value)
    if isinstance(value, Mapping):
        return [(name, _form(item)) for name, item in _ordered(value)]
    if isinstance(value, BaseModel):
        return _form({**value.__dict__, **(value.model_extra or {})})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _form(
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        )
    raise NotCacheable(f"a state that holds a value of class {type(value).__name__}")


def _ordered(value: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    if not all(isinstance(name, str) for name in value):
        raise NotCacheable("a state with a mapping whose keys are not text")
    return sorted(value.items())


@lru_cache(maxsize=128)
def _tell_once(reason: str) -> None:
    _log.warning("a graph node is not cached: %s", reason)
