"""How a wrapped model itself is called, after a miss: by the hooks of its own class."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter

from cache_fabric.langchain._closing import aclosed, closed

__all__ = ["AfterLookup", "Upstream"]

Messages = list[BaseMessage]
Stop = list[str] | None
_USAGE = "stream_usage"


class AfterLookup(BaseRateLimiter):
    """Lets every call pass: LangChain asks before a lookup, the true limiter is asked after it.

    Args:
        limiter: Of the model.
    """

    def __init__(self, limiter: BaseRateLimiter) -> None:
        self.limiter = limiter

    def acquire(self, *, blocking: bool = True) -> bool:
        """Return at once."""
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Return at once."""
        return True


class Upstream:
    """The hooks of a class as they were.

    Args:
        base: The class.
    """

    def __init__(self, base: type[BaseChatModel]) -> None:
        self.base = base
        self._slots = _slots_of(base)
        self._takes_manager = "run_manager" in inspect.signature(base._generate).parameters
        self._asks_usage = _USAGE in base.model_fields

    def plain(self, model: BaseChatModel) -> BaseChatModel:
        """Return a wrapped model as an object of its own class that shares all its state.

        Where the hooks of that class call each other, they meet no second lookup.
        """
        plain = self.base.__new__(self.base)
        for slot in self._slots:
            with contextlib.suppress(AttributeError):  # a slot of the class's own may be empty
                object.__setattr__(plain, slot, getattr(model, slot))
        return plain

    def generate(
        self, plain: BaseChatModel, messages: Messages, stop: Stop, manager: Any, /, **more: Any
    ) -> ChatResult:
        """Call the model."""
        if isinstance(plain.rate_limiter, AfterLookup):
            plain.rate_limiter.limiter.acquire(blocking=True)
        if self._takes_manager:
            more["run_manager"] = manager
        return plain._generate(messages, stop=stop, **more)

    async def agenerate(
        self, plain: BaseChatModel, messages: Messages, stop: Stop, manager: Any, /, **more: Any
    ) -> ChatResult:
        """As `generate`, without blocking the running loop."""
        if isinstance(plain.rate_limiter, AfterLookup):
            await plain.rate_limiter.limiter.aacquire(blocking=True)
        return await plain._agenerate(messages, stop=stop, run_manager=manager, **more)

    def stream(
        self, plain: BaseChatModel, messages: Messages, stop: Stop, /, **more: Any
    ) -> Iterator[ChatGenerationChunk]:
        """Stream from the model, with its usage where the model leaves that open."""
        if isinstance(plain.rate_limiter, AfterLookup):
            plain.rate_limiter.limiter.acquire(blocking=True)
        asking = self._asking(plain)
        chunk = None
        try:
            with closed(asking._stream(messages, stop=stop, **more)) as chunks:
                for chunk in chunks:
                    yield chunk
        except Exception as error:
            if chunk is not None or asking is plain or not self._is_refused(error):
                raise
            with closed(plain._stream(messages, stop=stop, **more)) as chunks:
                yield from chunks

    async def astream(
        self, plain: BaseChatModel, messages: Messages, stop: Stop, /, **more: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """As `stream`, without blocking the running loop."""
        if isinstance(plain.rate_limiter, AfterLookup):
            await plain.rate_limiter.limiter.aacquire(blocking=True)
        asking = self._asking(plain)
        chunk = None
        try:
            async with aclosed(asking._astream(messages, stop=stop, **more)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:
            if chunk is not None or asking is plain or not self._is_refused(error):
                raise
            async with aclosed(plain._astream(messages, stop=stop, **more)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def _asking(self, plain: BaseChatModel) -> BaseChatModel:
        """Return the model with its usage asked for, unless somebody has decided on that."""
        if not self._asks_usage or getattr(plain, _USAGE) is not None:
            return plain
        asking = self.plain(plain)
        object.__setattr__(asking, "__dict__", {**plain.__dict__, _USAGE: True})
        return asking

    def _is_refused(self, error: Exception) -> bool:
        """Say whether the server does not know the option; then it is not asked again."""
        refused = "stream_options" in str(error)
        self._asks_usage = self._asks_usage and not refused
        return refused


def _slots_of(base: type) -> list[str]:
    """Return the slots in which objects of a class keep their state, ``__dict__`` among them."""
    slots = [name for kind in base.__mro__ for name in kind.__dict__.get("__slots__", ())]
    return [name for name in dict.fromkeys(slots) if name != "__weakref__"]
