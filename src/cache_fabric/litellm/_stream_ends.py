"""Whether a model said why its stream ended, and what tokens it took.

LiteLLM writes "stop" where it did not (measured with 1.106 and 1.108), so that a cut stream looks
whole to its cache. Only its stream object knows; here it is asked, where it writes to the cache.
Where a version has no such place, nothing is ever said to have ended, and no stream is kept. Where
a provider sends no usage, LiteLLM makes one up, of zeros or with a tokenizer of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from litellm.litellm_core_utils.streaming_handler import CustomStreamWrapper

from cache_fabric.litellm._tenants import call_id_of

__all__ = ["WRITERS", "says_its_end", "says_its_usage", "watch_ends"]

WRITERS = ("cache_streaming_response", "async_cache_streaming_response")
Ended = Callable[[str, bool], None]


def says_its_end(stream: Any) -> bool:
    """Return whether the model behind a stream of LiteLLM has said why it stopped."""
    names = ("received_finish_reason", "intermittent_finish_reason")
    return any(getattr(stream, name, None) is not None for name in names)


def says_its_usage(stream: Any) -> bool:
    """Return whether the provider behind a stream of LiteLLM has sent its usage."""
    return any(getattr(chunk, "usage", None) is not None for chunk in stream.chunks)


def watch_ends(ended: Ended) -> Callable[[], None]:
    """Have ``ended`` told of each stream that says its end; returns what stops it.

    It is told the id of the call, and whether the provider has sent its usage.
    """
    undo = [
        _watch(name, ended)
        for name in WRITERS
        if callable(getattr(CustomStreamWrapper, name, None))
    ]

    def restore() -> None:
        for step in undo:
            step()

    return restore


def _watch(name: str, ended: Ended) -> Callable[[], None]:
    original = getattr(CustomStreamWrapper, name)

    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if says_its_end(self):
            details = getattr(self.logging_obj, "model_call_details", None) or {}
            ended(call_id_of(details), says_its_usage(self))
        return original(self, *args, **kwargs)

    def restore() -> None:
        if getattr(CustomStreamWrapper, name) is watched:
            setattr(CustomStreamWrapper, name, original)

    setattr(CustomStreamWrapper, name, watched)
    return restore
