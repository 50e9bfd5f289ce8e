"""Imitations of a vector database's HTTP API on loopback, for where no real server can be had."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import numpy as np


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api(Protocol):
    """What stands behind the server; calls come one at a time."""

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], key: str | None, body: Any
    ) -> Any: ...


@contextlib.contextmanager
def serving(api: Api) -> Iterator[str]:
    """The URL where an API is served, until the context ends."""
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            try:
                with one_at_a_time:
                    answer = api.answer(
                        self.command,
                        address.path,
                        parse_qs(address.query),
                        self.headers.get("api-key"),
                        json.loads(body or "null"),
                    )
                status = 200
            except Refusal as refusal:
                status, answer = refusal.status, {"status": {"error": str(refusal)}}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = respond  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nearest(
    vectors: dict[str, list[float]], vector: list[float], k: int
) -> list[tuple[str, float]]:
    """Ids and cosines, nearest first."""
    if not vectors:
        return []
    matrix = np.array(list(vectors.values()), dtype=np.float32)
    asked = np.array(vector, dtype=np.float32)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(asked)
    scores = zip(vectors, ((matrix @ asked) / lengths).tolist(), strict=True)
    return sorted(scores, key=lambda scored: -scored[1])[:k]
