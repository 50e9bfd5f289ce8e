"""What is needed to ask a kept question again: the request without its question and contexts. Pure.

All answers of a partition have one recipe: they differ in the question alone, which each keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cache_fabric.call_form import without_secrets
from cache_fabric.codec import pack, unpack
from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.keys import QUESTION, Known, derive, emptied
from cache_fabric.types import CacheEntry, CacheRequest, KeySet

__all__ = ["Recipe", "asked", "gives_back", "read_recipe", "recipe_of"]

_MOST_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A request without its question, with the names of its contexts in place of their texts.

    Attributes:
        messages: As `keys.emptied` leaves them.
        contexts: Position among the messages, path and behaviour of each context.
    """

    model: str
    kind: Literal["chat", "completion"]
    messages: Sequence[Mapping[str, Any]]
    contexts: tuple[tuple[int, str, int], ...]
    tools: Sequence[Any] = ()
    params: Mapping[str, Any]
    tenant: str | None = None
    user: str | None = None


def recipe_of(
    request: CacheRequest, entry: CacheEntry, known: Known | None, secret: bytes
) -> bytes:
    """Return the recipe of a request in its envelope, ready to be kept.

    Args:
        request: That the entry answers.
        entry: Names the contexts that were known when it was looked up.
        known: See `keys.derive`.
        secret: Authenticates the envelope.

    Raises:
        NotCacheable: It holds a secret or an object, is over 16 KiB, or its contexts have changed.
    """
    if without_secrets(request.params) != request.params:
        raise NotCacheable("a parameter is a secret")
    rest = emptied(request, known)
    if tuple((path, behaviour) for _, path, behaviour in rest.contexts) != entry.contexts:
        raise NotCacheable("its contexts have changed since the lookup")
    recipe = Recipe(
        model=request.model,
        kind=request.kind,
        messages=rest.messages,
        contexts=tuple(rest.contexts),
        tools=request.tools,
        params=request.params,
        tenant=request.tenant,
        user=request.user,
    )
    data = pack(recipe, secret)
    if len(data) > _MOST_BYTES:
        raise NotCacheable(f"recipe over {_MOST_BYTES} bytes")
    return data


def read_recipe(data: bytes, secret: bytes) -> Recipe:
    """Return the recipe of an envelope; raises `CodecError`."""
    try:
        return msgspec.convert(unpack(data, secret), Recipe)
    except msgspec.ValidationError as error:
        raise CodecError("the envelope does not hold a recipe") from error


def asked(recipe: Recipe, question: str | None, text: Callable[[str, int], str]) -> CacheRequest:
    """Return the request that asks a question; ``text`` gives that of a path and behaviour."""
    messages = [dict(message) for message in recipe.messages]
    for position, path, behaviour in recipe.contexts:
        messages[position]["content"] = text(path, behaviour)
    if question is not None:
        messages[-1]["content"] = _with_question(messages[-1]["content"], question)
    return CacheRequest(
        model=recipe.model,
        messages=messages,
        tools=tuple(recipe.tools),
        params=recipe.params,
        tenant=recipe.tenant,
        user=recipe.user,
        kind=recipe.kind,
    )


def gives_back(
    recipe: Recipe, entry: CacheEntry, *, secret: bytes, namespace: str, max_bytes: int
) -> bool:
    """Return whether the entry is the answer to what the recipe and its question make.

    The keys are the proof: a recipe of a request that was changed after its lookup has others.
    """
    names = {
        f"\x00{path}\x00{behaviour}": (path, behaviour) for _, path, behaviour in recipe.contexts
    }
    request = asked(recipe, entry.question, lambda path, behaviour: f"\x00{path}\x00{behaviour}")
    try:
        keys: KeySet = derive(
            request,
            secret=secret,
            namespace=namespace,
            embedder=entry.embedder,
            max_bytes=max_bytes,
            known=names.get,
        )
    except NotCacheable:
        return False
    return (keys.partition, keys.exact) == (entry.partition, entry.exact)


def _with_question(content: Any, question: str) -> Any:
    if isinstance(content, str):
        return question
    return [
        {**block, "text": question}
        if isinstance(block, Mapping) and block.get("text") == QUESTION
        else block
        for block in content
    ]
