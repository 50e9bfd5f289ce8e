"""From a request to its keys: the question by itself, everything else as the partition.

The encoding is canonical and injective: every value carries a type tag and a length, so no two
different requests share bytes, and one request has the same bytes in every process, hash seed and
dict order. Text counts code point for code point; nothing is normalised. Hashes are HMAC-SHA256
(RFC 2104) under the fabric's secret, so a key tells an outsider nothing of a prompt.

Pure: no I/O, no clock, no state.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from cache_fabric.errors import NotCacheable
from cache_fabric.types import CacheRequest, KeySet

__all__ = ["QUESTION", "Emptied", "Known", "canonical", "derive", "emptied", "exact_key"]

Known = Callable[[str], tuple[str, int] | None]
"""Finds the context that has a text, as (path, behaviour)."""

_FORMAT = "cache-fabric/2"
_MAX_DEPTH = 64
_INSTRUCTIONS = frozenset({"system", "developer"})
QUESTION = "\x00question"
"""Stands where the question was taken out of its message."""


class Emptied(NamedTuple):
    """A request's messages without what is looked up apart from them.

    Attributes:
        question: What was asked, ``None`` where it cannot be compared by meaning.
        messages: With `QUESTION` in its place, and ``None`` in place of each context's text.
        contexts: Position, path and behaviour of each context.
    """

    question: str | None
    messages: Sequence[Mapping[str, Any]]
    contexts: Sequence[tuple[int, str, int]]


def derive(
    request: CacheRequest,
    *,
    secret: bytes,
    namespace: str,
    embedder: str,
    max_bytes: int = 256 * 1024,
    known: Known | None = None,
) -> KeySet:
    """Return the family, the partition, the exact key and the question of a request.

    Args:
        request: The call. Everything in it counts, but for the text of the last user message,
            which becomes the question.
        secret: Key of the hashes.
        namespace: Part of the partition.
        embedder: Identity of the embedder; vectors of two embedders never share a partition.
        max_bytes: Largest canonical form.
        known: A system message that is the text of a context is replaced by it: a cosmetic edit
            then keeps the partition, a change of behaviour leaves it, a rollback returns to it.

    Raises:
        NotCacheable: The request is too large, nested too deep, or holds a value without a
            stable canonical form (an object, NaN); the reason says which.
    """
    question, messages, contexts = emptied(request, known)
    task = (
        _FORMAT,
        namespace,
        embedder,
        request.kind,
        request.model,
        request.tools,
        request.params,
        [message for message in messages if message.get("role") in _INSTRUCTIONS],
        [(path, behaviour) for _, path, behaviour in contexts],
    )
    family = hmac.digest(secret, canonical(task, max_bytes), "sha256")
    whose = (request.tenant, request.user, messages, contexts)
    partition = hmac.digest(secret, family + canonical(whose, max_bytes), "sha256")
    if question is not None and len(_utf8(question)) >= max_bytes:
        raise NotCacheable(f"request over {max_bytes} bytes")
    exact = exact_key(partition.hex(), question, secret)
    named = tuple((path, behaviour) for _, path, behaviour in contexts)
    return KeySet(partition.hex(), exact, question, named, family.hex())


def exact_key(partition: str, question: str | None, secret: bytes) -> str:
    """Return the exact key of a question in a partition; raises `NotCacheable` as `derive`."""
    asked = b"" if question is None else b"?" + _utf8(question)
    return hmac.digest(secret, bytes.fromhex(partition) + asked, "sha256").hex()


def emptied(request: CacheRequest, known: Known | None) -> Emptied:
    """Return what remains of a request's messages when the question and contexts are taken out."""
    question, messages = _split(request)
    contexts: list[tuple[int, str, int]] = []
    if known is not None:
        messages, contexts = _named(messages, known)
    return Emptied(question, messages, contexts)


def _named(
    messages: Sequence[Mapping[str, Any]], known: Known
) -> tuple[Sequence[Mapping[str, Any]], list[tuple[int, str, int]]]:
    """Replace system messages that are the text of a context by the context's name."""
    named: list[tuple[int, str, int]] = []
    result = list(messages)
    for position, message in enumerate(messages):
        text = message.get("content")
        if message.get("role") in _INSTRUCTIONS and isinstance(text, str):
            context = known(text)
            if context is not None:
                result[position] = {**message, "content": None}
                named.append((position, *context))
    return result, named


def _split(request: CacheRequest) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
    """Take the question out of the last message, if it can be compared by meaning."""
    messages = request.messages
    if not messages or request.params.get("n") not in (None, 1):
        return None, messages
    last = messages[-1]
    if last.get("role") != "user":
        return None, messages
    content = last.get("content")
    if isinstance(content, str):
        return _taken(content, messages, {**last, "content": QUESTION})
    if isinstance(content, list | tuple):
        texts = [i for i, block in enumerate(content) if _is_text(block)]
        if len(texts) == 1:
            block = content[texts[0]]
            blocks = [*content[: texts[0]], {**block, "text": QUESTION}, *content[texts[0] + 1 :]]
            return _taken(block["text"], messages, {**last, "content": blocks})
    return None, messages


def _taken(
    text: str, messages: Sequence[Mapping[str, Any]], emptied: Mapping[str, Any]
) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
    if not text.strip():
        return None, messages
    return text, [*messages[:-1], emptied]


def _is_text(block: Any) -> bool:
    return (
        isinstance(block, Mapping)
        and block.get("type") == "text"
        and isinstance(block.get("text"), str)
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NotCacheable("text with a lone surrogate") from None


def canonical(value: Any, max_bytes: int = 256 * 1024) -> bytes:
    """Return the one byte string that stands for a value of plain data.

    Lists and tuples are equal, dicts and sets are ordered by their bytes; ``0``, ``0.0``,
    ``False``, ``"0"``, ``None`` and absence all differ.

    Raises:
        NotCacheable: See `derive`.
    """
    return b"".join(_Encoder(max_bytes).encode(value, 0))


class _Encoder:
    """One encoding in progress; counts its bytes so that a huge request fails early."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._max = max_bytes

    def encode(self, value: Any, depth: int) -> list[bytes]:
        if isinstance(value, str):
            return self._leaf(b"s", self._text(value))
        if value is None:
            return self._leaf(b"n", b"")
        if isinstance(value, bool):
            return self._leaf(b"b", b"1" if value else b"0")
        if isinstance(value, int):
            return self._leaf(b"i", format(value, "x").encode())
        if isinstance(value, float):
            if not math.isfinite(value):
                raise NotCacheable("a number that is not finite")
            return self._leaf(b"f", repr(value).encode())
        if depth >= _MAX_DEPTH:
            raise NotCacheable(f"nested deeper than {_MAX_DEPTH}")
        return self._container(value, depth + 1)

    def _container(self, value: Any, depth: int) -> list[bytes]:
        if isinstance(value, Mapping):
            pairs = [
                b"".join(self.encode(key, depth) + self.encode(item, depth))
                for key, item in value.items()
            ]
            return self._head(b"d", sorted(pairs))
        if isinstance(value, list | tuple):
            return self._head(b"l", [part for item in value for part in self.encode(item, depth)])
        if isinstance(value, bytes | bytearray | memoryview):
            return self._leaf(b"y", bytes(value))
        if isinstance(value, Set):
            return self._head(b"t", sorted(b"".join(self.encode(i, depth)) for i in value))
        raise NotCacheable(f"a value of type {type(value).__name__} has no stable key")

    def _text(self, text: str) -> bytes:
        if len(text) > self._left:
            raise NotCacheable(f"request over {self._max} bytes")
        return _utf8(text)

    def _leaf(self, tag: bytes, body: bytes) -> list[bytes]:
        head = b"%b%d:" % (tag, len(body))
        self._left -= len(head) + len(body)
        if self._left < 0:
            raise NotCacheable(f"request over {self._max} bytes")
        return [head, body]

    def _head(self, tag: bytes, parts: list[bytes]) -> list[bytes]:
        return [b"%b%d:" % (tag, sum(map(len, parts))), *parts]
