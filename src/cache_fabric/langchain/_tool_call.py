"""A tool call of an agent as a `CacheRequest`, and its result as an `Answer`.

A result is found under the tool's definition and its exact arguments; nothing about it is compared
by meaning.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.prebuilt.tool_node import ToolCallRequest

from cache_fabric.errors import CodecError, ValidationError
from cache_fabric.langchain._answer import MARK
from cache_fabric.options import CacheOptions
from cache_fabric.types import Answer, CacheRequest

__all__ = ["Declared", "Repeatable", "read_result", "read_tool_call", "sees_more", "to_tool_answer"]

Declared = Iterable[str] | Callable[[BaseTool], bool]
_CALLBACKS = frozenset({"callbacks", "run_manager"})
_EXPECTED = "expected names of tools, or a function that says it of a tool"
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Repeatable:
    """Which tools may be called again without being asked for.

    Args:
        declared: Names, or a function that says it of a tool.

    Raises:
        ValidationError: It is neither.
    """

    def __init__(self, declared: Declared) -> None:
        if callable(declared):
            self._covers = declared
            return
        given: object = declared
        names = frozenset(given) if isinstance(given, Iterable) else frozenset([None])
        if isinstance(given, str) or not all(isinstance(name, str) for name in names):
            raise ValidationError("repeatable_tools", _EXPECTED)
        self._covers = lambda tool: tool.name in names

    def covers(self, tool: Any) -> bool:
        """Return whether a tool is declared repeatable; one that a provider runs never is."""
        return isinstance(tool, BaseTool) and bool(self._covers(tool))

    def among(self, tools: Iterable[Any]) -> frozenset[str]:
        """Return the names of those that are."""
        return frozenset(tool.name for tool in tools if self.covers(tool))


def read_tool_call(
    request: ToolCallRequest,
    tool: BaseTool,
    sees: Any,
    *,
    tenant: str | None,
    user: str | None,
    options: CacheOptions,
) -> CacheRequest:
    """Return the request of a tool call.

    Args:
        request: The call.
        tool: That is called.
        sees: Plain data: what the tool sees beside its arguments.
        tenant: Whose call it is.
        user: End user of the call.
        options: What the call asks of the cache.
    """
    kind = type(tool)
    return CacheRequest(
        model=f"tool:{tool.name}",
        messages=[{"role": "call", "content": {"args": request.tool_call["args"], "sees": sees}}],
        tools=(convert_to_openai_tool(tool),),
        params={
            "langchain:tool": 1,
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "response_format": tool.response_format,
        },
        tenant=tenant,
        user=user,
        options=options,
    )


def sees_more(tool: BaseTool) -> bool:
    """Say whether a tool is given more than the arguments that a model names.

    That is state, store, runtime, config or a call id, by annotation or by name; and, to be on the
    safe side, any parameter that the model is not told of.
    """
    given = {*getattr(tool.get_input_schema(), "model_fields", {})} - {"root"}
    functions = [getattr(tool, "func", None), getattr(tool, "coroutine", None)]
    for function in filter(None, functions) if any(functions) else (tool._run, tool._arun):
        bound = function.keywords if isinstance(function, functools.partial) else {}
        parameters = inspect.signature(function).parameters.values()
        given |= {p.name for p in parameters if p.kind not in _VARIABLE and p.name not in bound}
    return not given <= {*tool.args, *_CALLBACKS}


def to_tool_answer(result: Any) -> Answer:
    """Return the answer; one that must not be kept carries its ``error``."""
    if type(result) is not ToolMessage:
        return Answer(payload=None, error=f"a result of class {type(result).__name__}")
    payload = {
        "content": result.content,
        "name": result.name,
        "artifact": result.artifact,
        "additional_kwargs": result.additional_kwargs,
    }
    if result.status != "success":
        return Answer(payload=None, error="a tool that failed")
    if not _is_plain(payload):
        return Answer(payload=None, error="a result that is not plain data")
    text = result.content if isinstance(result.content, str) else json.dumps(result.content)
    return Answer(payload=payload, text=text)


def read_result(payload: Any, request: ToolCallRequest, mark: Mapping[str, Any]) -> ToolMessage:
    """Return the result of a payload as the answer to this call; raises `CodecError`."""
    try:
        return ToolMessage(
            content=payload["content"],
            name=payload["name"],
            artifact=payload["artifact"],
            additional_kwargs=payload["additional_kwargs"],
            response_metadata={MARK: dict(mark)},
            tool_call_id=request.tool_call["id"] or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError("the payload does not hold the result of a tool") from error


def _is_plain(value: Any) -> bool:
    """Say whether a value comes back as it is: no subclass, no tuple, nothing JSON cannot say."""
    kind = type(value)
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(name) is str and _is_plain(item) for name, item in value.items())
    return value is None or kind in (str, bool, int) or (kind is float and math.isfinite(value))
