"""The hooks through which LangChain calls a chat model, answered from a fabric first.

They are put into a subclass of the model's class. Each calls the hook of the same name on the model
as it was (`Desk.plain`): where a class's hooks call each other, they meet no second lookup.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._model_call import ModelCall
from cache_fabric.langchain._seam import Seam
from cache_fabric.langchain._streaming import Streaming
from cache_fabric.langchain._terms import Terms
from cache_fabric.types import CacheRequest

__all__ = ["Desk", "desk_of", "hooks_of"]

_NAME = "_cache_fabric_desk"
_USAGE = "stream_usage"


class Desk:
    """What the hooks of one subclass share.

    Args:
        terms: As `cached` was given them.
        base: The class as it was.
    """

    def __init__(self, terms: Terms, base: type[BaseChatModel]) -> None:
        self.terms = terms
        self.base = base
        self.streaming = Streaming(
            terms.fabric.config.repeatable_tools, natural=terms.replay == "natural"
        )
        self._seam = Seam(terms.fabric)
        self._slots = _slots_of(base)
        self._takes_manager = "run_manager" in inspect.signature(base._generate).parameters
        self._asks_usage = _USAGE in base.model_fields

    def stand_in(self, kind: type) -> None:
        """Become the desk of a class."""
        setattr(kind, _NAME, self)

    def plain(self, model: BaseChatModel, *, streams: bool = False) -> BaseChatModel:
        """Return the model as an object of its own class that shares all its state."""
        plain = self.base.__new__(self.base)
        for slot in self._slots:
            with contextlib.suppress(AttributeError):  # a slot of the class's own may be empty
                object.__setattr__(plain, slot, getattr(model, slot))
        if streams and self._asks_usage and getattr(plain, _USAGE) is None:
            fields = {**model.__dict__, _USAGE: True}
            object.__setattr__(plain, "__dict__", fields)
        return plain

    def call(
        self,
        plain: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        *,
        streams: bool = False,
    ) -> ModelCall:
        """Return the call that a hook was asked for."""

        def request() -> CacheRequest:
            if streams and (arguments.get("n") or getattr(plain, "n", None) or 1) > 1:
                raise NotCacheable("several answers in one stream")
            return self.terms.request(plain, messages, stop, arguments)

        return ModelCall(self.terms.fabric, self._seam, request, plain.output_version)

    def managed(self, run_manager: Any) -> dict[str, Any]:
        """Return the run manager as an argument, where ``_generate`` takes one."""
        return {"run_manager": run_manager} if self._takes_manager else {}


def desk_of(model: object) -> Desk | None:
    """Return the desk of a wrapped model, ``None`` for any other."""
    return getattr(type(model), _NAME, None)


def hooks_of(base: type[BaseChatModel]) -> dict[str, Any]:
    """Return the hooks for a subclass; LangChain sees by them whether a class can stream."""
    hooks: dict[str, Any] = {"_generate": _generate, "_agenerate": _agenerate}
    streams = base._stream is not BaseChatModel._stream
    if streams:
        hooks["_stream"] = _stream
    if streams or base._astream is not BaseChatModel._astream:
        hooks["_astream"] = _astream
    return hooks


def _generate(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    desk = _desk(self)
    plain = desk.plain(self)
    call = desk.call(plain, messages, stop, kwargs)
    served = call.lookup()
    if served is not None:
        return ChatResult(generations=served.generations)
    try:
        result = plain._generate(messages, stop=stop, **desk.managed(run_manager), **kwargs)
    except BaseException as error:
        served = call.fail(error)
        if served is None:
            raise
        return ChatResult(generations=served.generations)
    call.keep(result)
    return result


async def _agenerate(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    desk = _desk(self)
    plain = desk.plain(self)
    call = desk.call(plain, messages, stop, kwargs)
    served = await call.alookup()
    if served is not None:
        return ChatResult(generations=served.generations)
    try:
        result = await plain._agenerate(messages, stop=stop, run_manager=run_manager, **kwargs)
    except BaseException as error:
        served = call.fail(error)
        if served is None:
            raise
        return ChatResult(generations=served.generations)
    call.keep(result)
    return result


def _stream(
    self: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> Iterator[ChatGenerationChunk]:
    desk = _desk(self)
    plain = desk.plain(self, streams=True)
    call = desk.call(plain, messages, stop, kwargs, streams=True)
    chunks = desk.streaming.read(call, lambda: plain._stream(messages, stop=stop, **kwargs))
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
    plain = desk.plain(self, streams=True)
    call = desk.call(plain, messages, stop, kwargs, streams=True)
    chunks = desk.streaming.aread(call, lambda: plain._astream(messages, stop=stop, **kwargs))
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def _desk(model: BaseChatModel) -> Desk:
    desk = desk_of(model)
    assert desk is not None
    return desk


def _slots_of(base: type) -> list[str]:
    """Return the slots in which objects of a class keep their state, ``__dict__`` among them."""
    slots = [name for kind in base.__mro__ for name in kind.__dict__.get("__slots__", ())]
    return [name for name in dict.fromkeys(slots) if name != "__weakref__"]
