"""LangChain's standard suites for chat models, over an imitation of OpenAI's API.

The plain model shows what the suites and the imitation are worth.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, BaseMessageChunk
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fake_openai import Upstream, serving

# ChatOpenAI shares one asynchronous client per process, and a client lives on one loop.
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:The test .* is marked with '@pytest.mark.asyncio'"),
    # The suites ask for some things that ChatOpenAI does and warns of.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

NOWHERE = "http://127.0.0.1:9/v1"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with serving() as made:
        yield made


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
        monkeypatch.setattr(httpx, "get", lambda url, timeout: picture)

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


class TestPlainUnit(Unit):
    pass


class TestPlain(Integration):
    pass
