"""An agent's model response as an `Answer`, and back.

A structured response is kept as the message that holds it, and parsed again on a hit as the agent
itself does it, into the class that is current then. The agent's replies to the tools that stand
for a schema are kept with the message.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Container, Mapping, Sequence
from typing import Any, Literal

from langchain.agents.middleware.types import ModelResponse
from langchain.agents.structured_output import OutputToolBinding, ProviderStrategyBinding
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.langchain._agent_call import agent_name, specs_of
from cache_fabric.langchain._answer import read_generations, to_answer
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.types import Answer, Usage

__all__ = ["read_response", "to_agent_answer"]

How = Literal["tool", "provider"]


def to_agent_answer(
    response: ModelResponse[Any], response_format: Any, repeatable: Container[str]
) -> tuple[Answer, Usage | None]:
    """Return the answer and its tokens; one that must not be kept carries its ``error``.

    Args:
        response: What the agent made of the model's message.
        response_format: Of the request.
        repeatable: Tools whose calls may be made again without being asked for.
    """
    message = response.result[0] if response.result else None
    if not isinstance(message, AIMessage):
        return Answer(payload=None, error="a response that does not begin with the model's"), None
    generations = [ChatGeneration(message=message)]
    answer, usage = to_answer(generations, "chat"), usage_of(generations)
    if answer.error is not None:
        return answer, usage
    if message.name not in (None, agent_name()):
        return dataclasses.replace(answer, error="a message under a name of its own"), usage
    try:
        replies = [_reply(message, reply) for reply in response.result[1:]]
        how = _how(response, response_format, message)
    except NotCacheable as error:
        return dataclasses.replace(answer, error=error.reason), usage
    for_schemas = {} if response_format is None else specs_of(response_format)
    return dataclasses.replace(
        answer,
        payload={**answer.payload, "structured": how, "replies": replies},
        text=answer.text if answer.text.strip() else _calls(message),
        tool_calls=tuple(
            name for name in answer.tool_calls if name not in for_schemas and name not in repeatable
        ),
    ), usage


def read_response(
    payload: Any, response_format: Any, mark: Mapping[str, Any]
) -> ModelResponse[Any]:
    """Return the response of a payload, with fresh ids and the structured response parsed anew.

    Raises:
        CodecError: The payload is not one of ours, or does not fit the schema as it is now.
    """
    message = read_generations(payload, "chat", mark)[0].message  # type: ignore[attr-defined]
    try:
        replies = [
            ToolMessage(
                content=reply["content"],
                name=reply["name"],
                tool_call_id=message.tool_calls[reply["call"]]["id"],
            )
            for reply in payload.get("replies", ())
        ]
        how = payload.get("structured")
        structured = None if how is None else _parsed(message, response_format, how)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CodecError("the payload does not hold this agent's response") from error
    return ModelResponse(result=[message, *replies], structured_response=structured)


def _how(response: ModelResponse[Any], response_format: Any, message: AIMessage) -> How | None:
    """Return where the structured response is; raises `NotCacheable` if it cannot be read again."""
    specs = {} if response_format is None else specs_of(response_format)
    called = [call for call in message.tool_calls if call["name"] in specs]
    if response.structured_response is None:
        if called:
            raise NotCacheable("a structured response that the agent has refused")
        return None
    how: How = "tool" if called else "provider"
    try:
        same = _parsed(message, response_format, how) == response.structured_response
    except (AttributeError, KeyError, TypeError, ValueError):
        same = False
    if same is not True:
        raise NotCacheable("a structured response that its message does not hold")
    return how


def _parsed(message: AIMessage, response_format: Any, how: How) -> Any:
    specs = specs_of(response_format)
    if how == "tool":
        (call,) = [call for call in message.tool_calls if call["name"] in specs]
        return OutputToolBinding.from_schema_spec(specs[call["name"]]).parse(call["args"])
    (spec,) = specs.values()
    return ProviderStrategyBinding.from_schema_spec(spec).parse(message)


def _reply(message: AIMessage, reply: BaseMessage) -> dict[str, Any]:
    """Return the agent's own reply to a call, which it names by its place in the message."""
    calls: Sequence[Any] = [call["id"] for call in message.tool_calls]
    if (
        type(reply) is not ToolMessage
        or reply.tool_call_id not in calls
        or reply.artifact is not None
        or reply.status != "success"
        or not isinstance(reply.content, str)
    ):
        raise NotCacheable("a response with messages that are not the model's")
    call = calls.index(reply.tool_call_id)
    return {"call": call, "content": reply.content, "name": reply.name}


def _calls(message: AIMessage) -> str:
    """Return the tool calls of a message as the text of an answer that says nothing else."""
    calls = [[call["name"], call["args"]] for call in message.tool_calls]
    return json.dumps(calls, ensure_ascii=False, sort_keys=True) if calls else ""
