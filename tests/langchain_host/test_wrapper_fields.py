"""Whatever a wrapped model is told or asked: another field is another request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_openai import ChatOpenAI

from cache_fabric import CacheFabric
from cache_fabric.langchain import cached
from fake_openai import Upstream, serving

MakeOpenAI = Callable[..., ChatOpenAI]


def image(data: str) -> Any:
    url = {"url": f"data:image/png;base64,{data}"}
    return [
        HumanMessage([{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}])
    ]


def tool(parameters: Any) -> Any:
    function = {"name": "look", "description": "Looks.", "parameters": parameters}
    return {"type": "function", "function": function}


def asking(messages: Any, options: Any = None, **arguments: Any) -> Any:
    return options or {}, messages, arguments


TURN = [HumanMessage("hi"), AIMessage("hello"), HumanMessage("what?")]
OTHERS: dict[str, tuple[Any, Any]] = {
    "model": (asking("hi"), asking("hi", {"model": "gpt-4o-mini"})),
    "model of the call": (asking("hi"), asking("hi", model="gpt-4o-mini")),
    "temperature": (asking("hi", {"temperature": 0.1}), asking("hi", {"temperature": 0.2})),
    "seed": (asking("hi"), asking("hi", {"seed": 0})),
    "stop": (asking("hi", stop=["a"]), asking("hi", stop=["b"])),
    "organization": (asking("hi"), asking("hi", {"organization": "acme"})),
    "extra body": (asking("hi"), asking("hi", {"extra_body": {"top_k": 3}})),
    "system prompt": (
        asking([SystemMessage("be brief"), HumanMessage("hi")]),
        asking([SystemMessage("be long"), HumanMessage("hi")]),
    ),
    "history": (asking(TURN), asking([TURN[0], AIMessage("goodbye"), TURN[2]])),
    "image": (asking(image("aGVsbG8=")), asking(image("aGVsbG9="))),
    "tools": (asking("hi"), asking("hi", tools=[tool({"type": "object"})])),
    "fields of a tool": (
        asking("hi", tools=[tool({"type": "object", "properties": {"a": {"type": "string"}}})]),
        asking("hi", tools=[tool({"type": "object", "properties": {"b": {"type": "string"}}})]),
    ),
    "tool choice": (
        asking("hi", tools=[tool({"type": "object"})]),
        asking("hi", tools=[tool({"type": "object"})], tool_choice="none"),
    ),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("field", OTHERS)
def test_every_field_is_another_request(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream, field: str, streamed: bool
) -> None:
    for _ in range(2):
        for options, messages, arguments in OTHERS[field]:
            model = cached(openai(**options), exact)
            if streamed:
                list(model.stream(messages, **arguments))
            else:
                model.invoke(messages, **arguments)
    assert len(upstream.calls) == 2


def test_another_address_is_another_request(
    openai: MakeOpenAI, exact: CacheFabric, upstream: Upstream
) -> None:
    with serving() as other:
        for url in (upstream.url, other.url, upstream.url):
            cached(openai(base_url=url), exact).invoke("hi")
        assert len(upstream.calls) == len(other.calls) == 1
