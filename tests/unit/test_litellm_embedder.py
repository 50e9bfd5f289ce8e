"""The LiteLLM embedder: once with the real litellm and a provider on loopback, else with a stand-in
that takes no seconds to import."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cache_fabric.embedders.litellm import LiteLLMEmbedder
from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    MissingExtraError,
)


class Provider(BaseHTTPRequestHandler):
    """Answers ``/embeddings`` as OpenAI does, last text first; a vector is its text's length."""

    requests: list[dict[str, Any]]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.requests.append(request)
        data = [
            {"object": "embedding", "index": at, "embedding": [float(len(text)), 1.0]}
            for at, text in enumerate(request["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": "m", "data": data[::-1], "usage": usage}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def provider() -> Iterator[ThreadingHTTPServer]:
    Provider.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


# LiteLLM's import warns of its own and of its dependencies' deprecations.
@pytest.mark.filterwarnings("ignore")
async def test_the_real_litellm_embeds_in_order(provider: ThreadingHTTPServer) -> None:
    address = f"http://127.0.0.1:{provider.server_port}"
    embedder = LiteLLMEmbedder("openai/text-embedding-3-small", api_base=address, api_key="k")
    await embedder.open()
    rows = await embedder.embed(["a", "bbb", "lone \ud800"])
    await embedder.aclose()
    assert rows.tolist() == [[1, 1], [3, 1], [6, 1]]
    (request,) = Provider.requests
    assert request["model"] == "text-embedding-3-small"
    assert request["input"] == ["a", "bbb", "lone ?"]


class Fake(ModuleType):
    """As much of litellm as the embedder touches."""

    class Timeout(Exception): ...

    class APIConnectionError(Exception): ...

    class ServiceUnavailableError(Exception): ...

    class AuthenticationError(Exception): ...

    def __init__(self) -> None:
        super().__init__("litellm")
        self.__spec__ = ModuleSpec("litellm", None)
        self.calls: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def embedding(self, **arguments: Any) -> SimpleNamespace:
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(
            data=[{"index": at, "embedding": [1.0]} for at, _ in enumerate(arguments["input"])]
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setitem(sys.modules, "litellm", fake)
    return fake


async def embed_one(embedder: LiteLLMEmbedder) -> None:
    try:
        await embedder.embed(["x"])
    finally:
        await embedder.aclose()


async def test_opening_keeps_litellm_from_fetching_its_price_map(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "to be put back")
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    await LiteLLMEmbedder("m").open()
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


async def test_options_are_passed_on(fake: Fake) -> None:
    await embed_one(LiteLLMEmbedder("m", api_base="http://127.0.0.1:9", timeout=3.0))
    (call,) = fake.calls
    assert call["model"] == "m"
    assert call["api_base"] == "http://127.0.0.1:9"
    assert call["timeout"] == 3.0


async def test_a_call_is_short_unless_told_otherwise(fake: Fake) -> None:
    await embed_one(LiteLLMEmbedder("m"))
    assert fake.calls[0]["timeout"] == 10.0
    assert fake.calls[0]["max_retries"] == 0


async def test_the_cache_of_litellm_is_not_asked(fake: Fake) -> None:
    await embed_one(LiteLLMEmbedder("m"))
    assert fake.calls[0]["caching"] is False


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Fake.Timeout(), BackendTimeout),
        (Fake.APIConnectionError(), BackendUnavailable),
        (Fake.ServiceUnavailableError(), BackendUnavailable),
        (Fake.AuthenticationError("sk-secret"), BackendError),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_errors_are_translated(
    fake: Fake, error: Exception, kind: type[BackendError]
) -> None:
    fake.error = error
    with pytest.raises(kind) as raised:
        await embed_one(LiteLLMEmbedder("m"))
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error
    assert "sk-secret" not in str(raised.value)


def test_the_identity_is_the_model(fake: Fake) -> None:
    assert LiteLLMEmbedder("m", api_key="sk-secret").identity == "litellm/m"


def test_the_identity_names_the_size_that_was_asked_for(fake: Fake) -> None:
    assert LiteLLMEmbedder("m", dimensions=256).identity == "litellm/m/256"


def test_a_missing_litellm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[litellm\]"):
        LiteLLMEmbedder("m")
