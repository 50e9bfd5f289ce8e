"""Fabrics that are closed after the test, and models that count their calls."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    LLMResult,
)
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import FabricCache
from cache_fabric.stores.memory import MemoryStore
from fake_openai import Upstream, serving
from servers import Server, running

Reply = Callable[[list[BaseMessage]], AIMessage]


def answer(_: list[BaseMessage]) -> AIMessage:
    return AIMessage(
        "Paris.",
        response_metadata={"model_name": "fake-1"},
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    )


@dataclass
class Script:
    """What a model does when it is called, and the messages of each call so far."""

    reply: Reply = answer
    finish: dict[str, Any] = field(default_factory=lambda: {"finish_reason": "stop"})
    gate: Callable[[], None] | None = None
    agate: Callable[[], Awaitable[None]] | None = None
    step: Callable[[int], None] = lambda number: None
    """Is called before each chunk of a stream, with its number; may block or raise."""
    astep: Callable[[int], Awaitable[None]] | None = None
    calls: list[list[BaseMessage]] = field(default_factory=list)
    closed: int = 0
    """Streams that were left before their end."""


class CountingChat(BaseChatModel):
    """Counts its calls. Serialisable, so its settings reach a cache as a constructor."""

    model: str = "fake-1"
    n: int = 1

    _script: Script = PrivateAttr(default_factory=Script)

    @property
    def calls(self) -> int:
        return len(self._script.calls)

    @property
    def _llm_type(self) -> str:
        return "counting-chat"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._script.calls.append(messages)
        if self._script.gate is not None:
            self._script.gate()
        return self._result(messages)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._script.calls.append(messages)
        if self._script.agate is not None:
            await self._script.agate()
        return self._result(messages)

    def _result(self, messages: list[BaseMessage]) -> ChatResult:
        script = self._script
        return ChatResult(
            generations=[
                ChatGeneration(message=script.reply(messages), generation_info={**script.finish})
                for _ in range(self.n)
            ]
        )


class StreamingChat(CountingChat):
    """Streams its replies too, in words, and a last chunk that says how it ended."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._script.calls.append(messages)
        try:
            for number, chunk in enumerate(self._chunks(messages)):
                self._script.step(number)
                yield chunk
        except GeneratorExit:
            self._script.closed += 1
            raise

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._script.calls.append(messages)
        try:
            for number, chunk in enumerate(self._chunks(messages)):
                self._script.step(number)
                if self._script.astep is not None:
                    await self._script.astep(number)
                yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            self._script.closed += 1
            raise

    def _chunks(self, messages: list[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        reply = self._script.reply(messages)
        for word in re.findall(r"\S+\s*", reply.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        for index, call in enumerate(reply.tool_calls):
            arguments = json.dumps(call["args"])
            part = ToolCallChunk(name=call["name"], args=arguments, id=call["id"], index=index)
            message = AIMessageChunk(content="", tool_call_chunks=[part])
            yield ChatGenerationChunk(message=message)
        last = AIMessageChunk(
            content="",
            response_metadata=reply.response_metadata,
            usage_metadata=reply.usage_metadata,
        )
        yield ChatGenerationChunk(message=last, generation_info={**self._script.finish})


class CountingLLM(BaseLLM):
    """A completion model that counts the prompts it was asked."""

    model: str = "fake-instruct"

    _prompts: list[str] = PrivateAttr(default_factory=list)

    @property
    def prompts(self) -> list[str]:
        return self._prompts

    @property
    def _llm_type(self) -> str:
        return "counting-llm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        self._prompts.extend(prompts)
        info = {"finish_reason": "stop"}
        return LLMResult(
            generations=[[Generation(text=f"re: {p}", generation_info={**info})] for p in prompts]
        )


@pytest.fixture
def events() -> list[Event]:
    """Every event of the fabric ``exact``."""
    return []


@pytest.fixture
def exact(events: list[Event]) -> Iterator[CacheFabric]:
    """A fabric in memory that serves the same request only, so that no test meets another."""
    fabric = create_cache_fabric("memory", policy=ExactOnly(), hooks=[events.append])
    yield fabric
    fabric.sync.close()


@pytest.fixture
def cache(exact: CacheFabric) -> FabricCache:
    return FabricCache(exact)


@pytest.fixture(params=["memory", "local"])
def fabric(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CacheFabric]:
    """A fabric of each preset, as it comes."""
    options = {"path": tmp_path} if request.param == "local" else {}
    fabric = create_cache_fabric(request.param, **options)
    yield fabric
    fabric.sync.close()


@pytest.fixture
async def afabric(fabric: CacheFabric) -> AsyncIterator[CacheFabric]:
    """The same, closed from the running loop."""
    yield fabric
    await fabric.aclose()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[CacheFabric, CacheFabric]]:
    """Two fabrics that share a store, as two processes of one deployment do.

    Their budgets are such that a busy test machine cannot exceed them.
    """
    store: Any = MemoryStore("n")
    if request.param == "sqlite":
        store = f"sqlite://{tmp_path / 'fabric.db'}"
    if request.param == "redis":
        server: Server = request.getfixturevalue("redis")
        server.flush()
        store = server.url
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30)
    one, two = [create_cache_fabric("memory", store=store, config=patient) for _ in range(2)]
    yield one, two
    one.sync.close()
    two.sync.close()


@pytest.fixture
def make_chat(cache: FabricCache) -> Callable[..., CountingChat]:
    """Make a model that uses ``cache``, unless it is given another one."""

    def make(
        reply: Reply = answer,
        *,
        finish: dict[str, Any] | None = None,
        gate: Callable[[], None] | None = None,
        agate: Callable[[], Awaitable[None]] | None = None,
        **fields: Any,
    ) -> CountingChat:
        chat = CountingChat(**{"cache": cache, **fields})
        chat._script.reply = reply
        chat._script.gate, chat._script.agate = gate, agate
        if finish is not None:
            chat._script.finish = finish
        return chat

    return make


@pytest.fixture
def make_streaming() -> Callable[..., StreamingChat]:
    """Make a model that streams; keyword arguments are of its `Script`."""

    def make(**script: Any) -> StreamingChat:
        chat = StreamingChat()
        chat._script = Script(**script)
        return chat

    return make


@pytest.fixture
def make_llm(cache: FabricCache) -> Callable[..., CountingLLM]:
    return lambda **fields: CountingLLM(**{"cache": cache, **fields})


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An imitation of OpenAI's API: ``ChatOpenAI(base_url=upstream.url, ...)``."""
    with serving() as made:
        yield made


@pytest.fixture
def openai(upstream: Upstream) -> Callable[..., ChatOpenAI]:
    """Make a ``ChatOpenAI`` that is connected to the imitation."""

    def make(**options: Any) -> ChatOpenAI:
        base: dict[str, Any] = {"model": "gpt-4o", "max_retries": 0, "base_url": upstream.url}
        return ChatOpenAI(api_key=SecretStr("sk-1"), **{**base, **options})

    return make


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run an agent in one of both colours and return its last state."""

    def run(agent: Any, asked: Any, config: Any = None, **known: Any) -> Any:
        if request.param == "sync":
            return agent.invoke(asked, config, **known)
        return asyncio.run(agent.ainvoke(asked, config, **known))

    return run
