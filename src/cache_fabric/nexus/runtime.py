"""Running agents of a manifest: each model call reads its prompt as the fabric has it then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.types import Command

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._run_names import EXECUTION, TENANT, USER
from cache_fabric.langchain.callback import FabricCallbackHandler
from cache_fabric.nexus._building import Builder, graph_named, keys_of, reachable
from cache_fabric.nexus._models import Model, Models
from cache_fabric.nexus._state import PINNED
from cache_fabric.nexus._texts import Pin, Texts
from cache_fabric.nexus._tools import Tools, registered
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import Graph, Manifest
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.records import Feedback
from cache_fabric.seam import check_terms
from cache_fabric.validation import check_id

__all__ = ["ManifestRuntime"]

Task = Callable[[dict[str, Any]], Any]


class ManifestRuntime:
    """A graph of a manifest as a LangGraph whose prompts live in a fabric.

    Routers, and tasks that have a prompt, call the model with the text that is current at that
    call, under the conversation (``messages`` of the state, else the text under ``input``,
    ``question`` or ``query``); a text that uses ``{variables}`` of the state needs none. Variables
    that the state does not have stay as they are. A task that has a system message as well asks its
    prompt under that. The calls are cached, and every run is tracked
    with its nodes, context versions, costs and cache outcomes, without a line in the agent.

    What a node says is ``output`` in the state, and ``node_outputs[id]``; a model's answer joins
    ``messages`` unless it chooses the way. Tool nodes call the registered tools (see the node's
    ``inputs`` and ``output_map``), task nodes the callable under their id, which is given the state
    and returns an update of it, or an answer. A router with a callable under its id asks that. A
    task with neither callable nor prompt does nothing. Human nodes pause the run (``interrupt``);
    ``execute(id, Command(resume=answer))`` goes on. Subgraphs run on the same state.

    A route is taken when the answer names it as such (see `cache_fabric.nexus.routing`), an
    expression when it holds; of several ways that fit, the first with a condition. A router that
    names none of its routes, with no unconditional way, fails like any other error: along the edge
    for errors, else out of ``execute``.

    Args:
        manifest: As `read_manifest` returns it, or what that takes: a path, a mapping, an object
            of `universal_agent_nexus`.
        fabric: Used as it is and never closed.
        model: A chat model for all nodes; or a function of the model's name in the manifest.
        tools: By their names in the manifest, or LangChain tools that have these names.
        tasks: By ids of nodes; a function, or a coroutine function.
        graph: Its name; without it ``main``, or the only one that no other graph calls.
        pin: ``live``: a publish changes the next call, also of a run that is under way. ``run``:
            all calls of a run use the versions, of one revision, that were current as it began.
        checkpointer: Of LangGraph; human nodes need one.
        options: Of every request to the cache.

    Raises:
        ValidationError: An argument does not fit the manifest; the message names it.
        ManifestError: The manifest cannot be read or its graph not be run: file, line and field.
    """

    def __init__(
        self,
        manifest: Any,
        fabric: CacheFabric,
        *,
        model: Model,
        tools: Tools | None = None,
        tasks: Mapping[str, Task] | None = None,
        graph: str | None = None,
        pin: Pin = "live",
        checkpointer: Any = None,
        options: CacheOptions = NO_OPTIONS,
    ) -> None:
        check_terms(fabric, None, None, options)
        if pin not in get_args(Pin):
            raise ValidationError("pin", f"expected {' or '.join(get_args(Pin))}, got {pin!r:.40}")
        self._fabric = fabric
        read = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
        root = graph_named(read, graph)
        used = reachable(read, root)
        _check(used, tasks or {}, checkpointer)
        keys = frozenset(keys_of(read, used))
        own = {
            context.key: context.value
            for context in read.contexts
            if context.key in keys and isinstance(context.value, str)
        }
        builder = Builder(
            manifest=read,
            models=Models(fabric, model, options),
            texts=Texts(fabric, own, pin),
            keys=frozenset(own),
            tools=registered(tools, read.tools),
            tasks=tasks or {},
        )
        self._graph_name = root.name
        built = builder.build(root, pins=pin == "run", checkpointer=checkpointer)
        handler = FabricCallbackHandler(fabric, graph=root.name)
        self._graph = built.with_config({"callbacks": [handler]})

    @property
    def graph(self) -> Any:
        """The compiled LangGraph: to stream, to draw, to inspect; runs of it are tracked too."""
        return self._graph

    @property
    def graph_name(self) -> str:
        """Name of the graph, under which its executions are found."""
        return self._graph_name

    async def execute(
        self,
        execution_id: str,
        input_data: Mapping[str, Any] | Command[Any],
        config: RunnableConfig | None = None,
        *,
        tenant: str | None = None,
        user: str | None = None,
    ) -> dict[str, Any]:
        """Run the graph and return its last state.

        Args:
            execution_id: Under which the run is tracked and feedback is given; also the thread of
                the checkpointer. A run that is resumed is an execution of its own, under an id of
                LangChain's: both have this id as their ``thread_id``.
            input_data: The state to begin with, or ``Command(resume=...)`` for a paused run.
            config: Of LangChain, beside what this sets.
            tenant, user: Whose run it is: whose contexts are read and whose answers are shared.

        Returns:
            The state; with ``__interrupt__`` while it waits for a person.

        Raises:
            ValidationError: An id or the input is none, or there is nothing for a model to answer.
            Exception: What a node raised that has no edge for errors, as it is.
        """
        check_id(execution_id, "execution_id")
        given: object = input_data
        if not isinstance(given, Mapping | Command):
            expected = f"expected a mapping or a Command, got {type(given).__name__}"
            raise ValidationError("input_data", expected)
        known: dict[str, Any] = {TENANT: tenant, USER: user}
        metadata = {n: check_id(v, n) for n, v in known.items() if v is not None}
        if not isinstance(input_data, Command):
            metadata[EXECUTION] = execution_id
        ours: RunnableConfig = {
            "metadata": metadata,
            "configurable": {"thread_id": execution_id},
        }
        after = await self._graph.ainvoke(input_data, merge_configs(config, ours))
        return {name: value for name, value in after.items() if name != PINNED}

    async def record_feedback(self, execution_id: str, feedback: Mapping[str, Any]) -> Feedback:
        """Keep what somebody said of a run; see `CacheFabric.record_feedback`."""
        return await self._fabric.record_feedback(execution_id, feedback)


def _check(graphs: Iterable[Graph], tasks: Mapping[str, Any], checkpointer: Any) -> None:
    nodes = [node for graph in graphs for node in graph.nodes]
    callables = {node.id for node in nodes if node.kind in ("task", "router")}
    unknown = sorted(tasks.keys() - callables)
    if unknown:
        names = ", ".join(sorted(callables)) or "none"
        raise ValidationError(
            "tasks", f"expected ids of tasks and routers ({names}), got {unknown}"
        )
    wrong = sorted(name for name, task in tasks.items() if not callable(task))
    if wrong:
        raise ValidationError("tasks", f"expected functions, got something else for {wrong}")
    if checkpointer is None and any(node.kind == "human" for node in nodes):
        raise ValidationError("checkpointer", "expected one: the graph waits for a person")
