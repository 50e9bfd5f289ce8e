"""LangChain's standard suites for chat models, over an imitation of OpenAI's API.

Three times: the plain model, which shows what suites and imitation are worth; wrapped, with nothing
kept; wrapped, when the same test has run before, so that no call may reach the model again.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable, signature
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, BaseMessageChunk
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import cached
from fake_openai import Upstream, serving

# ChatOpenAI shares one asynchronous client per process, and a client lives on one loop.
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:The test .* is marked with '@pytest.mark.asyncio'"),
    # The suites ask for some things that ChatOpenAI does and warns of.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

NOWHERE = "http://127.0.0.1:9/v1"
TOOLS = frozenset(
    {
        "magic_function",
        "magic_function_no_args",
        "get_weather",
        "my_adder_tool",
        "unicode_customer",
        "greeting_generator",
        "Joke",
    }
)
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with serving() as made:
        yield made


def exact_fabric() -> CacheFabric:
    """One that serves the same request only, also where the answer calls the suites' tools."""
    config = FabricConfig(exact_timeout=30, repeatable_tools=TOOLS)
    return create_cache_fabric("memory", policy=ExactOnly(), config=config)


class Unit(ChatModelUnitTests):
    """What needs no server."""

    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "base_url": NOWHERE, "api_key": "k"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"OPENAI_API_KEY": "k", "OPENAI_ORG_ID": "o", "OPENAI_API_BASE": NOWHERE},
            {"model": "gpt-4o"},
            {"openai_api_key": "k", "openai_organization": "o", "openai_api_base": NOWHERE},
        )

    @pytest.fixture
    def snapshot(self) -> Callable[..., Any]:
        """The plain model's form, so that no installed version differs from a kept one."""
        params = {**self.standard_chat_model_params, **self.chat_model_params}
        plain = ChatOpenAI(**params)
        return lambda name: dumpd(plain)


class Integration(ChatModelIntegrationTests):
    """What calls a model; recordings (``enable_vcr_tests``) and audio have no use here."""

    supports_image_inputs = True
    supports_image_urls = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_pdf_tool_message = True
    supports_json_mode = True
    supports_anthropic_inputs = True
    model_override_value = "gpt-4o-mini"
    supported_usage_metadata_details = {  # noqa: RUF012  (a property of the base)
        "invoke": ["reasoning_output", "cache_read_input"],
        "stream": ["reasoning_output", "cache_read_input"],
    }

    @pytest.fixture(autouse=True)
    def offline(self, server: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite's downloads of pictures and documents are given, its models served."""
        self.server = server
        picture = httpx.Response(200, content=PICTURE)
        monkeypatch.setattr(httpx, "get", lambda url, **_: picture)

    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        # With a base URL of the user's, ChatOpenAI asks for usage only when it is told to.
        served = {"base_url": self.server.url, "api_key": "k"}
        return {**served, "model": "gpt-4o", "stream_usage": True, "max_retries": 0}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._ask(stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._ask(stream)

    def _ask(self, stream: bool) -> AIMessage:
        model = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return model.invoke("count")
        first, *others = model.stream("count")
        whole: BaseMessageChunk = first
        for chunk in others:
            whole += chunk
        assert isinstance(whole, AIMessage)
        return whole


class Wrapped:
    """The same, for models that are made through ``cached``."""

    fabric: CacheFabric

    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        fabric = self.fabric

        class Made(ChatOpenAI):
            def __new__(cls, **params: Any) -> Any:
                return cached(ChatOpenAI(**params), fabric)

        return Made

    @pytest.fixture(autouse=True)
    def cold(self) -> Iterator[None]:
        self.fabric = exact_fabric()
        yield
        self.fabric.sync.close()


class TestPlainUnit(Unit):
    pass


class TestPlain(Integration):
    pass


class TestWrappedUnit(Wrapped, Unit):
    pass


class TestCold(Wrapped, Integration):
    pass


class TestWarm(Wrapped, Integration):
    @pytest_asyncio.fixture(autouse=True, loop_scope="module")
    async def warm(
        self, request: pytest.FixtureRequest, cold: None, server: Upstream
    ) -> AsyncIterator[None]:
        """The test has run before, so that now every answer is kept."""
        test = getattr(self, request.function.__name__)
        names = signature(test).parameters.keys() & set(request.fixturenames)
        asked = test(**{name: request.getfixturevalue(name) for name in names})
        if isawaitable(asked):
            await asked
        before = len(server.calls)
        yield
        assert len(server.calls) == before
