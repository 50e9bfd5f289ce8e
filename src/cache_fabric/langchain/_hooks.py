"""The hooks through which LangChain calls a chat model, answered from a fabric first.

They are put into a subclass of the model's class; each asks the fabric, then calls the hook of the
same name as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._model_call import ModelCall
from cache_fabric.langchain._run_names import entries_of, run_metadata
from cache_fabric.langchain._seam import Seam
from cache_fabric.langchain._streaming import Streaming
from cache_fabric.langchain._terms import Terms
from cache_fabric.langchain._upstream import Upstream
from cache_fabric.types import CacheRequest

__all__ = ["Desk", "desk_of", "put_hooks"]

_NAME = "_cache_fabric_desk"
_NATIVE_EVENTS = {
    "_stream": "_stream_chat_model_events",
    "_astream": "_astream_chat_model_events",
}


class Desk:
    """What the hooks of one subclass share.

    Args:
        terms: As `cached` was given them.
        upstream: The hooks of the class as it was.
    """

    def __init__(self, terms: Terms, upstream: Upstream) -> None:
        self.terms = terms
        self.upstream = upstream
        self.streaming = Streaming(
            terms.fabric.config.repeatable_tools, natural=terms.replay == "natural"
        )
        self._seam = Seam(terms.fabric)

    def call(
        self,
        plain: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        run_manager: Any,
        *,
        streams: bool = False,
    ) -> ModelCall:
        """Return the call that a hook was asked for."""

        def request() -> CacheRequest:
            if streams and (arguments.get("n") or getattr(plain, "n", None) or 1) > 1:
                raise NotCacheable("several answers in one stream")
            metadata = run_metadata(run_manager)
            return self.terms.request(plain, messages, stop, arguments, metadata)

        version = plain.output_version
        return ModelCall(self.terms.fabric, self._seam, request, version, streams=streams)


def desk_of(model: object) -> Desk | None:
    """Return the desk of a wrapped model, ``None`` for any other."""
    return getattr(type(model), _NAME, None)


def put_hooks(kind: type, desk: Desk) -> type:
    """Put into a subclass the hooks that the model has; by them LangChain sees if it can stream.

    A base's own producers of typed events are put out of use: LangChain then makes the events of
    its chunks, which are looked up and kept.
    """
    base = desk.upstream.base
    hooks: dict[str, Any] = {_NAME: desk, "_generate": _generate, "_agenerate": _agenerate}
    streams = base._stream is not BaseChatModel._stream
    if streams:
        hooks["_stream"] = _stream
    if streams or base._astream is not BaseChatModel._astream:
        hooks["_astream"] = _astream
    for chunks, events in _NATIVE_EVENTS.items():
        if chunks in hooks and hasattr(base, events):
            hooks[events] = None
    hooks |= entries_of(kind.__mro__[1])
    for name, hook in hooks.items():
        setattr(kind, name, hook)
    return kind


def _generate(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    desk = _desk(self)
    plain = desk.upstream.plain(self)
    call = desk.call(plain, messages, stop, kwargs, run_manager)
    served = call.lookup()
    if served is not None:
        return ChatResult(generations=served.generations)
    try:
        result = desk.upstream.generate(plain, messages, stop, run_manager, **kwargs)
    except BaseException as error:
        served = call.fail(error)
        if served is None:
            raise
        return ChatResult(generations=served.generations)
    call.keep_result(result)
    return result


async def _agenerate(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    desk = _desk(self)
    plain = desk.upstream.plain(self)
    call = desk.call(plain, messages, stop, kwargs, run_manager)
    served = await call.alookup()
    if served is not None:
        return ChatResult(generations=served.generations)
    try:
        result = await desk.upstream.agenerate(plain, messages, stop, run_manager, **kwargs)
    except BaseException as error:
        served = call.fail(error)
        if served is None:
            raise
        return ChatResult(generations=served.generations)
    call.keep_result(result)
    return result


def _stream(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> Iterator[ChatGenerationChunk]:
    desk = _desk(self)
    plain = desk.upstream.plain(self)
    call = desk.call(plain, messages, stop, kwargs, run_manager, streams=True)
    chunks = desk.streaming.read(
        call, lambda: desk.upstream.stream(plain, messages, stop, **kwargs)
    )
    with contextlib.closing(chunks):
        for chunk in chunks:
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


async def _astream(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> AsyncIterator[ChatGenerationChunk]:
    desk = _desk(self)
    plain = desk.upstream.plain(self)
    call = desk.call(plain, messages, stop, kwargs, run_manager, streams=True)
    chunks = desk.streaming.aread(
        call, lambda: desk.upstream.astream(plain, messages, stop, **kwargs)
    )
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def _desk(model: BaseChatModel) -> Desk:
    desk = desk_of(model)
    assert desk is not None
    return desk
