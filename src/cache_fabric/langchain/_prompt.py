"""LangChain's ``(prompt, llm_string)`` as a `CacheRequest`.

A chat model's prompt is ``dumps()`` of its messages: JSON of constructors. It is read as data and
nothing is revived, which is also four times faster than ``loads``. What differs from call to call
without meaning anything to the model (`_PASSING`: ids, usage, response metadata) is left out, so
that the second turn of a conversation has one key, whether the first was a hit or a miss. Any
other string is the prompt of a completion model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cache_fabric.chat_form import canonical
from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._settings import read_settings
from cache_fabric.types import CacheRequest

__all__ = ["read_request"]

_DUMPED = '[{"lc": 1, "type": '  # how `dumps` of messages begins


def read_request(
    prompt: str,
    llm_string: str,
    *,
    tenant: str | None = None,
    user: str | None = None,
    max_characters: int = 2**21,
) -> CacheRequest:
    """Return the request that LangChain's two strings stand for.

    Args:
        prompt: Dumped messages of a chat model, or the prompt of a completion model.
        llm_string: Settings of the model and of the call.
        tenant: Whose call it is.
        user: End user of the call.
        max_characters: Longer prompts are not even parsed.

    Raises:
        NotCacheable: The prompt is too long, or the strings do not say all that the model is
            told: a class or an object stands in them by its name or address.
    """
    if len(prompt) > max_characters:
        raise NotCacheable(f"prompt over {max_characters} characters")
    settings = read_settings(llm_string)
    if settings.refusal is not None:
        raise NotCacheable(settings.refusal)
    nodes = _dumped_messages(prompt)
    return CacheRequest(
        model=settings.model,
        messages=[{"role": "user", "content": prompt}] if nodes is None else canonical(nodes),
        tools=settings.tools,
        params=settings.params,
        tenant=tenant,
        user=user,
        kind="completion" if nodes is None else "chat",
    )


def _dumped_messages(prompt: str) -> list[Mapping[str, Any]] | None:
    if not prompt.startswith("[{"):
        return None
    try:
        nodes = json.loads(prompt)
    except (ValueError, RecursionError) as error:
        if not prompt.startswith(_DUMPED):
            return None
        # As a text its JSON would be compared by meaning, roles and settings and all.
        raise NotCacheable("the dumped messages cannot be read") from error
    if not all(isinstance(node, dict) and node.get("lc") == 1 for node in nodes):
        return None
    if not all(isinstance(node.get("kwargs"), dict) for node in nodes):
        raise NotCacheable("a message of a class that LangChain cannot serialise")
    return [node["kwargs"] for node in nodes]
