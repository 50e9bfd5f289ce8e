"""Tokens of a call that nobody counted, and the tier of one that nobody named. Pure.

An estimate reads the text of the request and of the answer, and at most two thousand characters of
each: it takes a fraction of a millisecond. What it cannot see is not in it: tokens that a model
reasoned with, and cached ones.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from cache_fabric.types import Answer, CacheRequest, Usage
from cache_fabric.usage_forms import tier_of

__all__ = ["by_script", "sampled", "settled"]

Count = Callable[[str], int]

_SLICES = 8
_SLICE = 256
_SAMPLE = _SLICES * _SLICE

# Characters of a token, in tenths, between what tokenizers of several makers give.
_ASCII, _ALPHABET, _SYMBOL = 40, 25, 13
_ALPHABETS = re.compile("[\u0080-\u2e7f]")  # Latin with marks, Cyrillic, Arabic, Indic ...
_SYMBOLS = re.compile("[\u2e80-\U0010ffff]")  # Chinese, Japanese, Korean, pictures

_AROUND_MESSAGE = 3  # tokens by which a chat format sets messages apart
_MEDIUM = 765  # tokens of a picture of 1024 x 1024 at OpenAI
_MEDIA = re.compile("audio|document|file|image|media|video")


def settled(
    usage: Usage | None,
    request: CacheRequest,
    answer: Answer,
    at_hand: Callable[[str], Count | None],
) -> Usage | None:
    """Return the usage of a call: an estimate where there is none, and never without a known tier.

    Args:
        usage: As the response says it; what it says stands.
        request: Its ``service_tier`` counts where the response names no tier.
        answer: One that could not be read gives no estimate: ``None``.
        at_hand: Gives what counts a model's tokens exactly, ``None`` for what does not.
    """
    usage = usage or _estimated(request, answer, at_hand)
    if usage is None or usage.tier is not None:
        return usage
    tier = tier_of(request.params.get("service_tier"))
    return usage if tier is None else dataclasses.replace(usage, tier=tier)


def by_script(text: str) -> int:
    """Return about how many tokens a text has, from the scripts of its characters."""
    symbols, alphabet = len(_SYMBOLS.findall(text)), len(_ALPHABETS.findall(text))
    plain = len(text) - symbols - alphabet
    return -(-10 * plain // _ASCII) + -(-10 * alphabet // _ALPHABET) + -(-10 * symbols // _SYMBOL)


def sampled(text: str, count: Count) -> int:
    """Return the tokens of a text; those of a long one from slices out of all its length."""
    if len(text) <= _SAMPLE:
        return count(text)
    step = (len(text) - _SLICE) / (_SLICES - 1)
    starts = [round(index * step) for index in range(_SLICES)]
    tokens = sum(count(text[start : start + _SLICE]) for start in starts)
    return round(tokens * len(text) / _SAMPLE)


def _estimated(
    request: CacheRequest, answer: Answer, at_hand: Callable[[str], Count | None]
) -> Usage | None:
    if answer.payload is None:
        return None
    try:
        count = at_hand(request.model) or by_script
        asked, media = list(_asked(request)), _media_of(request)
        around = _AROUND_MESSAGE * (len(request.messages) + 1)
        return Usage(
            input_tokens=sampled("\n".join(asked), count) + around + media * _MEDIUM,
            output_tokens=sampled("\n".join(_said(answer)), count),
            estimated=True,
        )
    except Exception:  # noqa: BLE001 - an estimate is worth no fault
        return None


def _asked(request: CacheRequest) -> Iterator[str]:
    for message in request.messages:
        content = message.get("content")
        for block in content if isinstance(content, list) else (content,):
            yield from _text_of(block)
        if message.get("tool_calls"):
            yield _json(message["tool_calls"])
    if request.tools:
        yield _json(request.tools)


def _said(answer: Answer) -> Iterator[str]:
    payload = answer.payload
    items = payload.get("generations") if isinstance(payload, Mapping) else None
    if not isinstance(items, list):
        yield answer.text
        return
    for item in items:
        yield item["text"]
        for call in (item.get("message") or {}).get("tool_calls") or ():
            yield _json([call["name"], call["args"]])


def _text_of(block: Any) -> Iterator[str]:
    if isinstance(block, str):
        yield block
    elif isinstance(block, Mapping) and isinstance(block.get("text"), str):
        yield block["text"]
    elif isinstance(block, Mapping) and not _is_medium(block):
        yield _json(block)


def _media_of(request: CacheRequest) -> int:
    contents = (message.get("content") for message in request.messages)
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return sum(_is_medium(block) for block in blocks)


def _is_medium(block: Any) -> bool:
    kind = block.get("type") if isinstance(block, Mapping) else None
    return isinstance(kind, str) and _MEDIA.search(kind) is not None


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
