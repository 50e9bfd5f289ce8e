"""Manifests by hand, and a model that says what its prompt tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from cache_fabric.nexus.manifest import (
    Edge,
    Graph,
    Manifest,
    ManifestContext,
    Node,
    Router,
    Tool,
)

Reply = Callable[[list[BaseMessage]], str]


def echo(messages: list[BaseMessage]) -> str:
    """Say the prompt, so that a test sees with which one a model was called."""
    return messages[0].text


@dataclass
class Script:
    """What a model answers, and what it does before."""

    reply: Reply = echo
    before: Callable[[], Awaitable[None]] | None = None


class Model(BaseChatModel):
    """Keeps the messages of its calls; its script says what it answers."""

    model: str = "fake-1"
    _script: Script = PrivateAttr(default_factory=lambda: Script())
    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def calls(self) -> list[list[BaseMessage]]:
        return self._calls

    @property
    def prompts(self) -> list[str]:
        return [messages[0].text for messages in self._calls]

    @property
    def _llm_type(self) -> str:
        return "manifest-model"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("the runtime is asynchronous")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self._calls.append(messages)
        if self._script.before is not None:
            await self._script.before()
        answer = AIMessage(
            self._script.reply(messages),
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            response_metadata={"finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=answer)])


def model(reply: Reply = echo, before: Callable[[], Awaitable[None]] | None = None) -> Model:
    made = Model()
    made._script = Script(reply, before)
    return made


def router(node_id: str, ref: str | None = None, **config: Any) -> Node:
    return Node(id=node_id, kind="router", ref=ref or node_id, config=config)


def task(node_id: str, **config: Any) -> Node:
    return Node(id=node_id, kind="task", config=config)


def graph(nodes: list[Node], edges: list[Edge], name: str = "main") -> Graph:
    return Graph(name=name, entry_node=nodes[0].id, nodes=tuple(nodes), edges=tuple(edges))


def edge(source: str, target: str, route: str | None = None, **more: Any) -> Edge:
    return Edge(source=source, target=target, route=route, **more)


def manifest(
    *graphs: Graph,
    prompts: dict[str, str] | None = None,
    texts: dict[str, str] | None = None,
    tools: list[Tool] | None = None,
) -> Manifest:
    """``prompts`` are those of routers, by name; ``texts`` are of other keys."""
    routers = {
        name: Router(name=name, key=f"router:{name}:system_prompt", system_message=text)
        for name, text in (prompts or {}).items()
    }
    contexts = [
        ManifestContext(key=f"router:{name}:system_prompt", value=text, kind="system_prompt")
        for name, text in (prompts or {}).items()
    ]
    contexts += [
        ManifestContext(key=key, value=text, kind="prompt") for key, text in (texts or {}).items()
    ]
    return Manifest(
        format="universal-agent",
        name="test",
        contexts=tuple(contexts),
        graphs=graphs,
        routers=routers,
        tools={tool.name: tool for tool in tools or ()},
    )


TRIAGE = manifest(
    graph(
        [router("triage"), task("praise"), task("complaint")],
        [edge("triage", "praise", "praise"), edge("triage", "complaint", "complaint")],
    ),
    prompts={"triage": "Say praise or complaint."},
)
"""A router with two ways."""


def gate() -> tuple[Callable[[], Awaitable[None]], asyncio.Event, asyncio.Event]:
    """Return what waits inside a call, the event that it is there, and the event that frees it."""
    there, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        there.set()
        await go.wait()

    return wait, there, go
