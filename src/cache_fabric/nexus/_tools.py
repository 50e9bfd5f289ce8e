"""The registered tools of a runtime, and what a node calls them with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool

from cache_fabric.errors import ValidationError
from cache_fabric.nexus._state import QUESTIONS, conversation, names_in
from cache_fabric.nexus.manifest import Node, Tool

__all__ = ["Tools", "arguments_of", "call_tool", "registered"]

Tools = Mapping[str, BaseTool | Callable[..., Any]] | Iterable[BaseTool]


def registered(tools: Tools | None, known: Mapping[str, Tool]) -> dict[str, BaseTool]:
    """Return tools by name; a function becomes a tool with the manifest's description.

    Raises:
        ValidationError: One is neither a tool nor a function, or the manifest does not know it.
    """
    given = tools if isinstance(tools, Mapping) else {tool.name: tool for tool in tools or ()}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ValidationError("tools", f"expected tools of the manifest ({names}), got {unknown}")
    return {name: _as_tool(name, tool, known[name]) for name, tool in given.items()}


async def call_tool(
    tool: BaseTool, node: Node, declared: Tool, state: Mapping[str, Any], config: RunnableConfig
) -> Any:
    """Return a tool's result; whatever it raises is raised."""
    return await tool.ainvoke(arguments_of(tool, node, declared, state), config)


def arguments_of(
    tool: BaseTool, node: Node, declared: Tool, state: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a node calls a tool with.

    The node's ``inputs`` say it: constants, and ``$path.in.state``. Without them it is what the
    state, or a node before, has under the names of the parameters; and the question for a parameter
    that is called ``input``, ``question`` or ``query``.
    """
    names = names_in(state)
    inputs = node.config.get("inputs")
    if isinstance(inputs, Mapping) and inputs:
        return {name: _resolved(value, names) for name, value in inputs.items()}
    wanted = tuple((declared.input_schema or {}).get("properties") or tool.args)
    taken = {name: names[name] for name in wanted if name in tool.args and name in names}
    asked = [message for message in conversation(state) if isinstance(message, HumanMessage)]
    if asked:
        question = asked[-1].text
        taken |= {name: question for name in QUESTIONS if name in tool.args and name not in taken}
    return taken


def _resolved(value: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    found: Any = names
    for part in value.lstrip("$").strip("{}").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _as_tool(name: str, tool: Any, declared: Tool) -> BaseTool:
    if isinstance(tool, BaseTool):
        return tool
    if not callable(tool):
        raise ValidationError("tools", f"expected {name} to be a tool or a function")
    is_async = inspect.iscoroutinefunction(tool)
    return StructuredTool.from_function(
        func=None if is_async else tool,
        coroutine=tool if is_async else None,
        name=name,
        description=declared.description or name,
    )
