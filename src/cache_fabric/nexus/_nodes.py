"""What each kind of node does, and how its outcome becomes the next step of the graph."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END
from langgraph.types import Command, interrupt

from cache_fabric.nexus._models import Models
from cache_fabric.nexus._state import PINNED, merged, names_in, written
from cache_fabric.nexus._texts import Texts
from cache_fabric.nexus._tools import call_tool
from cache_fabric.nexus.manifest import Node, Tool
from cache_fabric.nexus.routing import Happened, Ways

__all__ = [
    "Act",
    "Done",
    "ask_model",
    "ask_person",
    "nothing",
    "run_graph",
    "run_task",
    "step",
    "use_tool",
]

_YES = frozenset({"approve", "approved", "yes", "y", "ok", "true"})
_NO = frozenset({"reject", "rejected", "no", "n", "deny", "denied", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a node.

    Attributes:
        said: Its answer, ``None`` for nothing; routes and conditions look at it.
        update: What else becomes of the state.
        happened: As edges name it.
    """

    said: Any = None
    update: Mapping[str, Any] = field(default_factory=dict)
    happened: Happened = "success"


Act = Callable[[dict[str, Any], RunnableConfig], Awaitable[Done]]


def step(node: Node, act: Act, ways: Ways) -> Callable[..., Awaitable[Command[str]]]:
    """Return the function of a node: it acts, and goes on along one of its ways.

    An error goes along the way for errors; without one it ends the run, as it is.
    """

    async def run(state: dict[str, Any], config: RunnableConfig) -> Command[str]:
        try:
            done = await act(state, config)
            update = {**done.update, **written(node.id, done.said)}
            after = merged(state, update)
            target = ways.after(done.happened, done.said, names_in(after))
        except GraphBubbleUp:  # how LangGraph pauses
            raise
        except Exception as error:
            happened: Happened = "timeout" if isinstance(error, TimeoutError) else "error"
            update = {
                "error": {"node": node.id, "type": type(error).__name__, "message": f"{error}"}
            }
            target = ways.after(happened, None, names_in(merged(state, update)))
            if target is None:
                raise
        if target in (None, END) and PINNED in state:
            update = {**update, PINNED: None}
        return Command(update={"__root__": update}, goto=target or END)

    return run


async def nothing(_state: dict[str, Any], _config: RunnableConfig) -> Done:
    """Do nothing: a node that only stands for a place in the graph."""
    return Done()


def ask_model(
    models: Models, texts: Texts, keys: Sequence[str], name: str | None, ways: Ways
) -> Act:
    """Return the act of a router, or of a task with a prompt.

    Its answer is part of the conversation, unless it chooses the way: a label that looks like the
    assistant's last word would mislead the next model.
    """
    speaks = not ways.chooses

    async def act(state: dict[str, Any], config: RunnableConfig) -> Done:
        current = await texts.current(keys, state, config)
        answer = await models.ask(name, current, state, config, usable=ways.accepts)
        update = {"messages": [answer]} if speaks and state.get("messages") else {}
        return Done(said=answer.text, update=update)

    return act


def run_task(task: Callable[[dict[str, Any]], Any]) -> Act:
    """Return the act of a callable: it is given the state, and returns an update or an answer."""

    async def act(state: dict[str, Any], _config: RunnableConfig) -> Done:
        is_async = inspect.iscoroutinefunction(task)
        given = task({**state}) if is_async else await asyncio.to_thread(task, {**state})
        if inspect.isawaitable(given):
            given = await given
        if isinstance(given, Mapping):
            return Done(said=given.get("output"), update=given)
        return Done(said=given)

    return act


def use_tool(tool: BaseTool, node: Node, declared: Tool) -> Act:
    """Return the act of a tool node; its ``output_map`` puts fields of a result into the state."""
    places = node.config.get("output_map") or {}

    async def act(state: dict[str, Any], config: RunnableConfig) -> Done:
        result = await call_tool(tool, node, declared, state, config)
        found = result if isinstance(result, Mapping) else {}
        update = {place: found[name] for name, place in places.items() if name in found}
        return Done(said=result, update=update)

    return act


def ask_person(texts: Texts, keys: Sequence[str], graph: str, node: Node) -> Act:
    """Return the act of a human node: the run pauses, and goes on with what the person says."""

    async def act(state: dict[str, Any], config: RunnableConfig) -> Done:
        current = await texts.current(keys, state, config)
        prompt = current[0].value if current else None
        answer = interrupt({"graph": graph, "node": node.id, "prompt": prompt})
        return Done(said=answer, happened=_verdict(answer))

    return act


def run_graph(inner: Any) -> Act:
    """Return the act of a subgraph: it runs on the state, and leaves its own."""

    async def act(state: dict[str, Any], config: RunnableConfig) -> Done:
        after = await inner.ainvoke(state, config)
        return Done(said=after.get("output"), update=after)

    return act


def _verdict(answer: Any) -> Happened:
    said = answer.get("approved") if isinstance(answer, Mapping) else answer
    said = str(said).strip().casefold() if isinstance(said, str | bool) else ""
    return "approval" if said in _YES else "rejection" if said in _NO else "success"
