"""The text that a system message was filled from, told to the wrapped model that is asked with it.

The fabric knows a context by its text, not by what was rendered from it. So the text and its
variables count in the key in place of the rendering, as for a prompt of an agent: then a cosmetic
version keeps its answers, and what is said of a context finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from langchain_core.messages import BaseMessage, SystemMessage

from cache_fabric.filled_prompt import VARIABLES
from cache_fabric.template import fill_known

__all__ = ["filled_from", "unfilled"]

_FILLED: ContextVar[tuple[str, Mapping[str, str]] | None] = ContextVar(
    "cache_fabric_filled", default=None
)


@contextlib.contextmanager
def filled_from(text: str, values: Mapping[str, str]) -> Iterator[None]:
    """Say that the system message of calls in this block is a text with these values in it."""
    token = _FILLED.set((text, values))
    try:
        yield
    finally:
        _FILLED.reset(token)


def unfilled(messages: Sequence[BaseMessage]) -> tuple[Sequence[BaseMessage], dict[str, Any]]:
    """Return the messages with the text in place of what was made of it, and its variables.

    As they are, with nothing, for a call whose system message is another: something inside the
    block may call a model of its own.
    """
    said = _FILLED.get()
    if said is None or not messages or not isinstance(messages[0], SystemMessage):
        return messages, {}
    text, values = said
    if not values or messages[0].content != fill_known(text, values):
        return messages, {}
    template = messages[0].model_copy(update={"content": text})
    return [template, *messages[1:]], {VARIABLES: dict(values)}
