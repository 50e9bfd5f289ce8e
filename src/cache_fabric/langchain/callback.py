"""LangChain's callbacks as executions of a fabric."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain import _events as events
from cache_fabric.langchain._tracker import Tracker

__all__ = ["FabricCallbackHandler"]

E = TypeVar("E", bound=Callable[..., None])

_EVENT = "cache_fabric"  # what our middleware dispatches where LangChain fires no model events

_log = logging.getLogger("cache_fabric")


def _harmless(event: E) -> E:
    """Let no event fail the run that it tells of: what cannot be read is counted."""

    @functools.wraps(event)
    def heard(self: FabricCallbackHandler, *args: Any, **kwargs: Any) -> None:
        try:
            event(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the seam where this host's callbacks fail open
            self._fault(error)

    return cast("E", heard)


def _checked_graph(graph: Any) -> str | None:
    if graph is None or (isinstance(graph, str) and graph):
        return graph
    raise ValidationError("graph", f"expected a name, got {type(graph).__name__}")


def _checked_tags(tags: Any) -> list[str]:
    if isinstance(tags, Iterable) and not isinstance(tags, str):
        kept = list(tags)
        if all(isinstance(tag, str) for tag in kept):
            return kept
    raise ValidationError("tags", "expected a list of texts")


class FabricCallbackHandler(BaseCallbackHandler):
    """Tracks every run as an execution: one record of what ran, what it cost and what was cached.

    Give it to a call (``config={"callbacks": [...]}``), or install it everywhere with `install`.
    The execution's id is the root's run id, or what the root's metadata says under
    ``cache_fabric_execution``. Its state holds input, output, status
    (``success``, ``error``, ``interrupted``, ``cancelled``, ``unfinished``), nodes_executed,
    steps, tokens and cost that were spent, what hits saved, contexts, metadata and thread_id; a
    hit is never spend. Money is in dollars, times are epoch seconds, unknown is ``None``.

    LangChain calls it inline, in sync and async runs alike: an event costs microseconds, does no
    I/O and never raises. A finished run goes through `CacheFabric.track_soon`. Bodies are bounded
    copies, and values under the names of credentials are hidden. Two handlers of one fabric count
    as one.

    LangChain fires no events for a completion model's cached prompts, and several prompts in one
    ``generate`` cannot be told apart: such a miss has no cache outcome.

    Args:
        fabric: Keeps the executions; used as it is and never closed.
        graph: Name of the executions' graph, in place of the root run's name.
        tags: Go to every execution, before the run's own.
    """

    raise_error = False
    run_inline = True

    def __init__(
        self, fabric: CacheFabric, *, graph: str | None = None, tags: Iterable[str] = ()
    ) -> None:
        self._tracker = Tracker(fabric, _checked_graph(graph), _checked_tags(tags))

    @property
    def lost(self) -> Mapping[str, int]:
        """What this process could not follow.

        ``unfinished`` runs that were given up because too many are open, ``steps`` beyond the
        bound of one run, ``faults``: events that could not be read.
        """
        return dict(self._tracker.runs.lost)

    @_harmless
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = events.name_of("chain", serialized, kwargs.get("name"))
        self._tracker.begin("chain", name, inputs, run_id, parent_run_id, tags, metadata)

    @_harmless
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = messages[0] if len(messages) == 1 else messages
        name = events.name_of("model", serialized, kwargs.get("name"))
        step = self._tracker.begin("model", name, given, run_id, parent_run_id, tags, metadata)
        if step is not None:
            step.model = events.model_of(metadata or {}, kwargs.get("invocation_params"))
            self._tracker.ask(step, run_id, kwargs.get("batch_size", 1))

    @_harmless
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = events.name_of("model", serialized, kwargs.get("name"))
        step = self._tracker.begin("model", name, prompts, run_id, parent_run_id, tags, metadata)
        if step is not None:
            step.model = events.model_of(metadata or {}, kwargs.get("invocation_params"))

    @_harmless
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = events.name_of("tool", serialized, kwargs.get("name"))
        given = input_str if inputs is None else inputs
        self._tracker.begin("tool", name, given, run_id, parent_run_id, tags, metadata)

    @_harmless
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = events.name_of("retriever", serialized, kwargs.get("name"))
        self._tracker.begin("retriever", name, query, run_id, parent_run_id, tags, metadata)

    @_harmless
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tracker.streams(run_id)

    @_harmless
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if event["event"] == "content-block-delta":
            self._tracker.streams(run_id)

    @_harmless
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self._tracker.end_model(run_id, "success", response)

    @_harmless
    def on_chain_end(self, outputs: dict[str, Any], *, run_id: UUID, **kwargs: Any) -> None:
        if "inputs" in kwargs:  # a stream's input is known only now
            self._tracker.take(run_id, kwargs["inputs"])
        self._tracker.end(run_id, "success", outputs)

    @_harmless
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tracker.end(run_id, "success", output)

    @_harmless
    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self._tracker.end(run_id, "success", documents)

    @_harmless
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        streamed = kwargs.get("response")  # what had come when it broke
        self._tracker.end_model(run_id, events.status_of(error), streamed, error)

    @_harmless
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._tracker.end(run_id, events.status_of(error), None, error)

    on_tool_error = on_chain_error
    on_retriever_error = on_chain_error

    @_harmless
    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tracker.retry(run_id, retry_state.attempt_number)

    @_harmless
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if name == _EVENT and data["outcome"] == "hit":
            self._tracker.add_hit(data, run_id)

    def _fault(self, error: Exception) -> None:
        runs = self._tracker.runs
        runs.count("faults")
        if runs.lost["faults"] == 1:
            # The message of the error may hold a prompt; its kind cannot.
            kind = type(error).__name__
            _log.warning("an event could not be read, its run goes on: %s", kind)
