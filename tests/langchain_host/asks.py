"""Requests that differ from one in a single field: ``OTHERS`` and ``SCHEMAS`` are other requests,
``SAME`` are not.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableConfig

IMAGE = base64.b64encode(b"\x89PNG one").decode()
OTHER_IMAGE = base64.b64encode(b"\x89PNG two").decode()
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "lookup_stock",
        "description": "How many are in stock",
        "parameters": {"type": "object", "properties": {"item": {"type": "string"}}},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "sure": {"type": "boolean"}},
            "required": ["text"],
        },
    },
}


@dataclass(frozen=True)
class Ask:
    """One call: what the model is made of, what is bound to it, what it is asked, and for whom."""

    model: dict[str, Any] = field(default_factory=dict)
    bound: dict[str, Any] = field(default_factory=dict)
    messages: tuple[BaseMessage, ...] = ()
    owner: dict[str, Any] = field(default_factory=dict)
    config: RunnableConfig = field(default_factory=RunnableConfig)


def conversation() -> list[BaseMessage]:
    question = {"type": "text", "text": "And how do I give this pan back to you?"}
    picture = {"url": f"data:image/png;base64,{IMAGE}", "detail": "low"}
    call = {"name": "lookup_stock", "args": {"item": "pan"}, "id": "call_1"}
    return [
        SystemMessage("You are the support of a shop."),
        HumanMessage("Are there pans?"),
        AIMessage("I look it up.", tool_calls=[call]),
        ToolMessage("12 pans", tool_call_id="call_1"),
        AIMessage("There are 12."),
        HumanMessage([question, {"type": "image_url", "image_url": picture}]),
    ]


BASE = Ask(
    model={"model": "gpt-4o", "temperature": 0.2, "api_key": "k"},
    bound={"tools": [TOOL], "tool_choice": "auto"},
    messages=tuple(conversation()),
    owner={"tenant": "acme", "user": "ann"},
)


def model(**options: Any) -> Ask:
    return replace(BASE, model={**BASE.model, **options})


def bound(**options: Any) -> Ask:
    return replace(BASE, bound={**BASE.bound, **options})


def tool(**changes: Any) -> Ask:
    return bound(tools=[{**TOOL, "function": {**TOOL["function"], **changes}}])


def owner(**changes: Any) -> Ask:
    return replace(BASE, owner={**BASE.owner, **changes})


def message(index: int, **changes: Any) -> Ask:
    messages = conversation()
    messages[index] = messages[index].model_copy(update=changes)
    return replace(BASE, messages=tuple(messages))


def messages(change: Callable[[list[BaseMessage]], list[BaseMessage]]) -> Ask:
    return replace(BASE, messages=tuple(change(conversation())))


def picture(**changes: Any) -> Ask:
    blocks: Any = copy.deepcopy(conversation()[-1].content)
    blocks[1]["image_url"].update(changes)
    return message(-1, content=blocks)


def called(**changes: Any) -> Ask:
    call = {"name": "lookup_stock", "args": {"item": "pan"}, "id": "call_1", "type": "tool_call"}
    return message(2, tool_calls=[{**call, **changes}])


OTHERS = {
    "model": model(model="gpt-4o-mini"),
    "temperature": model(temperature=0.3),
    "max_tokens": model(max_tokens=50),
    "top_p": model(top_p=0.5),
    "seed": model(seed=1),
    "n": model(n=2),
    "stop": model(stop=["END"]),
    "stop of a call": bound(stop=["END"]),
    "presence_penalty": model(presence_penalty=0.5),
    "frequency_penalty": model(frequency_penalty=0.5),
    "logit_bias": model(logit_bias={5: 1}),
    "logprobs": model(logprobs=True),
    "reasoning_effort": model(reasoning_effort="low"),
    "service_tier": model(service_tier="flex"),
    "organization": model(organization="another"),
    "default headers": model(default_headers={"x-feature": "on"}),
    "default query": model(default_query={"version": "2"}),
    "extra_body": model(extra_body={"top_k": 3}),
    "responses API": model(use_responses_api=True),
    "output_version": model(output_version="v1"),
    "n of a call": bound(n=2),
    "OpenAI's user": model(model_kwargs={"user": "ann"}),
    "model_kwargs": model(model_kwargs={"prediction": {"type": "content", "content": "x"}}),
    "temperature of a call": bound(temperature=0.9),
    "model of a call": bound(model="gpt-4o-mini"),
    "headers of a call": bound(extra_headers={"x-feature": "on"}),
    "body of a call": bound(extra_body={"top_k": 3}),
    "tool name": tool(name="count_stock"),
    "tool description": tool(description="How many were sold"),
    "tool argument's name": tool(
        parameters={"type": "object", "properties": {"thing": {"type": "string"}}}
    ),
    "tool argument's type": tool(
        parameters={"type": "object", "properties": {"item": {"type": "integer"}}}
    ),
    "tool strict": tool(strict=True),
    "another tool": bound(tools=[TOOL, {**TOOL, "function": {"name": "order"}}]),
    "no tools": replace(BASE, bound={}),
    "tool_choice": bound(tool_choice="none"),
    "named tool_choice": bound(
        tool_choice={"type": "function", "function": {"name": "lookup_stock"}}
    ),
    "parallel_tool_calls": bound(parallel_tool_calls=False),
    "system prompt": message(0, content="You are the support of a school."),
    "no system prompt": messages(lambda told: told[1:]),
    "developer's role": message(0, additional_kwargs={"__openai_role__": "developer"}),
    "earlier question": message(1, content="Are there pots?"),
    "name of a speaker": message(1, name="bob"),
    "assistant's words": message(4, content="There are twelve."),
    "refusal": message(4, additional_kwargs={"refusal": "I cannot say."}),
    "tool call's name": called(name="count_stock"),
    "tool call's arguments": called(args={"item": "pot"}),
    "tool result": message(3, content="11 pans"),
    "tool status": message(3, status="error"),
    "a shorter history": messages(lambda told: [told[0], *told[4:]]),
    "order of the history": messages(lambda told: [told[0], told[4], *told[1:4], told[5]]),
    "image bytes": picture(url=f"data:image/png;base64,{OTHER_IMAGE}"),
    "image detail": picture(detail="high"),
    "no image": message(-1, content="And how do I give this pan back to you?"),
    "tenant": owner(tenant="umbrella"),
    "no tenant": owner(tenant=None),
    "user": owner(user="bob"),
}

SAME = {
    "the very same": BASE,
    "timeout": model(timeout=9),
    "max_retries": model(max_retries=0),
    "streaming": model(streaming=True),
    "stream_usage": model(stream_usage=True),
    "disable_streaming": model(disable_streaming=True),
    "custom token counter": model(custom_get_token_ids=len),
    "api_key": model(api_key="another"),
    "metadata": model(metadata={"trace": "1"}),
    "tags": model(tags=["beta"]),
    "callbacks": model(callbacks=[BaseCallbackHandler()]),
    "name": model(name="mine"),
    "verbose": model(verbose=True),
    "rate limiter": model(rate_limiter=InMemoryRateLimiter(requests_per_second=1e6)),
    "http client": model(http_client=httpx.Client()),
    "metadata, tags and callbacks of a call": replace(
        BASE,
        config={
            "metadata": {"trace": "1"},
            "tags": ["beta"],
            "callbacks": [BaseCallbackHandler()],
            "run_name": "mine",
        },
    ),
    "timeout of a call": bound(timeout=9),
    "stream_options of a call": bound(stream_options={"include_usage": True}),
    "tool artifact": message(3, artifact=object()),
    "message id": message(4, id="run-1"),
    "usage": message(4, usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    "response metadata": message(4, response_metadata={"id": "chatcmpl-1", "model_name": "m"}),
    "tool call id": messages(
        lambda told: [
            *told[:2],
            AIMessage("I look it up.", tool_calls=[{**told[2].tool_calls[0], "id": "x"}]),  # type: ignore[attr-defined]
            ToolMessage("12 pans", tool_call_id="x"),
            *told[4:],
        ]
    ),
}


def schema(**changes: Any) -> Ask:
    told = SCHEMA["json_schema"]
    return replace(
        BASE,
        bound={"response_format": {**SCHEMA, "json_schema": {**told, **changes}}},
        messages=(HumanMessage("How many pans are there?"),),
    )


def properties(**changes: Any) -> Ask:
    inner = SCHEMA["json_schema"]["schema"]
    return schema(schema={**inner, "properties": {**inner["properties"], **changes}})


SCHEMAS = {
    "field added": properties(more={"type": "string"}),
    "field's type": properties(sure={"type": "integer"}),
    "field's description": properties(text={"type": "string", "description": "short"}),
    "required": schema(schema={**SCHEMA["json_schema"]["schema"], "required": []}),
    "name": schema(name="reply"),
    "strict": schema(strict=True),
    "no schema": replace(schema(), bound={}),
    "JSON mode": replace(schema(), bound={"response_format": {"type": "json_object"}}),
}
