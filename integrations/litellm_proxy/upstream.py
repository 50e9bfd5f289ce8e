"""A model for the demo, behind OpenAI's API: it repeats the question, half a second later."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 0.5


class Model(ThreadingHTTPServer):
    """Counts the calls that reach it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Model
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls += 1
        time.sleep(SECONDS)
        text = f"[simulated] an answer to: {body['messages'][-1]['content']}"
        head = {"id": f"chatcmpl-{self.server.calls}", "created": 0, "model": body["model"]}
        usage = {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32}
        if body.get("stream"):
            self._send("text/event-stream", _events(head, text, usage))
        else:
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            self._send("application/json", json.dumps(answer))

    def _send(self, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _events(head: dict[str, Any], text: str, usage: dict[str, int]) -> str:
    words = [{"index": 0, "delta": {"content": f"{word} "}} for word in text.split()]
    choices = [*words, {"index": 0, "delta": {}, "finish_reason": "stop"}]
    chunks: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
    told = [{**head, "object": "chat.completion.chunk", **chunk} for chunk in chunks]
    told.append({**told[-1], "choices": [], "usage": usage})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in told) + "data: [DONE]\n\n"


@contextmanager
def serving() -> Iterator[Model]:
    """A model on loopback until the context ends."""
    with Model() as model:
        thread = threading.Thread(target=model.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield model
        model.shutdown()
