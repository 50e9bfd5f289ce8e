"""Tenant, user and execution as a run names them in its metadata.

``config={"metadata": {"cache_fabric_tenant": "acme"}}`` on a model, a chain or a graph. LangChain
gives a model's ``_stream`` no run manager, so the metadata of a run is handed from the methods that
begin it to the hooks in a context variable.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from langchain_core.runnables.config import ensure_config

from cache_fabric.langchain._closing import aclosed, closed

__all__ = ["EXECUTION", "TENANT", "USER", "entries_of", "run_metadata"]

TENANT = "cache_fabric_tenant"
USER = "cache_fabric_user"
EXECUTION = "cache_fabric_execution"
"""Id under which a root run is tracked, where its own will not do."""

_RUN: ContextVar[Mapping[str, Any]] = ContextVar("cache_fabric_run", default=MappingProxyType({}))


def run_metadata(run_manager: Any) -> Mapping[str, Any]:
    """Return the metadata of the run in which a hook was called."""
    if run_manager is not None:
        return getattr(run_manager, "metadata", None) or {}
    return _RUN.get()


def entries_of(base: type[Any]) -> dict[str, Any]:
    """Return, for a subclass, the methods that begin a run: those of the base in its metadata."""

    def generate(
        self: Any, messages: Any, stop: Any = None, callbacks: Any = None, **more: Any
    ) -> Any:
        with _run(self, callbacks, more.get("metadata")):
            return base.generate(self, messages, stop, callbacks, **more)

    async def agenerate(
        self: Any, messages: Any, stop: Any = None, callbacks: Any = None, **more: Any
    ) -> Any:
        with _run(self, callbacks, more.get("metadata")):
            return await base.agenerate(self, messages, stop, callbacks, **more)

    def stream(
        self: Any,
        input: Any,  # noqa: A002 - LangChain's name
        config: Any = None,
        **more: Any,
    ) -> Iterator[Any]:
        with closed(base.stream(self, input, config, **more)) as chunks:
            with _configured(self, config):  # the lookup comes before the first chunk
                first = next(chunks, None)
            if first is not None:
                yield first
                yield from chunks

    async def astream(
        self: Any,
        input: Any,  # noqa: A002 - LangChain's name
        config: Any = None,
        **more: Any,
    ) -> AsyncIterator[Any]:
        async with aclosed(base.astream(self, input, config, **more)) as chunks:
            with _configured(self, config):
                first = await anext(chunks, None)
            if first is not None:
                yield first
                async for chunk in chunks:
                    yield chunk

    made = (generate, agenerate, stream, astream)
    return {method.__name__: method for method in made}


def _configured(model: Any, config: Any) -> contextlib.AbstractContextManager[None]:
    whole = ensure_config(config)
    return _run(model, whole.get("callbacks"), whole.get("metadata"))


@contextlib.contextmanager
def _run(model: Any, callbacks: Any, metadata: Any) -> Iterator[None]:
    inherited = getattr(callbacks, "metadata", None)
    token = _RUN.set({**(inherited or {}), **(metadata or {}), **(model.metadata or {})})
    try:
        yield
    finally:
        # A generator that its loop closes ends in another context, where there is nothing to undo.
        with contextlib.suppress(ValueError):
            _RUN.reset(token)
