"""A stream that ends without saying why is no whole answer, whatever LiteLLM makes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import completion, disable, enable
from cache_fabric.litellm._stream_ends import WRITERS
from litellm_host.asking import asked, eventually, litellm, stores

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}


class Unfinished(BaseHTTPRequestHandler):
    ends_with = b"data: [DONE]\n\n"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in ("one ", "two "):
            delta = {"role": "assistant", "content": word}
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            self.wfile.write(b"data: %s\n\n" % json.dumps({**HEAD, "choices": [choice]}).encode())
        self.wfile.write(self.ends_with)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(params=[b"data: [DONE]\n\n", b""], ids=["done", "nothing"])
def unfinished(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    handler = type("Handler", (Unfinished,), {"ends_with": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    yield {"model": "gpt-4o", "api_base": base, "api_key": "sk-1", "max_retries": 0}
    server.shutdown()
    thread.join()
    server.server_close()


def read(stream: Any) -> None:
    try:
        list(stream)
    except litellm.exceptions.APIError:
        return


def test_enabled(enabled: CacheFabric, events: list[Event], unfinished: dict[str, Any]) -> None:
    read(litellm.completion(messages=asked("hi"), stream=True, **unfinished))
    eventually(lambda: stores(events))
    assert stores(events) in (["released"], ["refused"])
    assert enabled.sync.list_answers() == []


def test_wrapped(exact: CacheFabric, events: list[Event], unfinished: dict[str, Any]) -> None:
    read(completion(exact, messages=asked("hi"), stream=True, **unfinished))
    assert stores(events) in (["released"], ["refused"])
    assert exact.sync.list_answers() == []


def test_the_place_where_litellm_keeps_a_stream_is_where_it_was(exact: CacheFabric) -> None:
    """Elsewhere no stream would be kept; `_stream_ends` would have to follow."""
    kind = litellm.CustomStreamWrapper
    before = [getattr(kind, name) for name in WRITERS]
    enable(exact)
    assert all(getattr(kind, n) is not b for n, b in zip(WRITERS, before, strict=True))
    disable()
    assert [getattr(kind, name) for name in WRITERS] == before
