"""The HTTP side: routes, server-sent events, and faults on the wire."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from fake_openai import _chat, _responses
from fake_openai._control import Call, Control
from fake_openai._embeddings import embeddings

_MODELS = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]
Plain = Callable[[int, dict[str, Any], str | None], dict[str, Any]]
Streamed = Callable[[int, dict[str, Any], str | None], Iterator[dict[str, Any]]]

_ROUTES: Mapping[str, tuple[Plain, Streamed | None]] = {
    "/v1/chat/completions": (_chat.completion, _chat.chunks),
    "/v1/responses": (_responses.response, _responses.events),
    "/v1/embeddings": (lambda number, body, ending: embeddings(body), None),
}


class Upstream(Control):
    """A running server: its base URL, and all of ``Control``."""

    url: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], control: Control) -> None:
        super().__init__(address, _Handler)
        self.control = control

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/_control":
            self._send(200, self.server.control.state())
        elif path == "/v1/models":
            models = [{"id": m, "object": "model", "owned_by": "fake"} for m in _MODELS]
            self._send(200, {"object": "list", "data": models})
        else:
            self._send(404, _error(404, f"no such path: {path}"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path).path
        control = self.server.control
        if path == "/_control":
            control.steer(body)
            self._send(200, control.state())
        elif path not in _ROUTES:
            self._send(404, _error(404, f"no such path: {path}"))
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(control.admit(path, headers, body))

    def _answer(self, call: Call) -> None:
        control = self.server.control
        fault = control.fault_of(call) or ""
        control.pass_gate("start")
        name, _, seconds = fault.partition(":")
        if name in ("slow", "hang"):
            control.closing.wait(float(seconds) if seconds else None)
        if name == "hang":
            self.close_connection = True
        elif name == "error_body":
            self._fail_within(call)
        elif name.isdigit():
            self._send(int(name), _error(int(name), "as it was told"))
        else:
            self._reply(call, name)

    def _fail_within(self, call: Call) -> None:
        error = _error(200, "the model is overloaded")
        if call.body.get("stream"):
            self._stream([{"type": "error", **error}], typed=_is_typed(call), cut=False)
        else:
            self._send(200, error)

    def _reply(self, call: Call, fault: str) -> None:
        plain, streamed = _ROUTES[call.path]
        ending = fault if fault in ("length", "content_filter") else None
        try:
            if call.body.get("stream") and streamed is not None:
                events = list(streamed(call.number, call.body, ending))
            else:
                events = []
                answer = plain(call.number, call.body, ending)
        except (KeyError, TypeError) as error:
            self._send(400, _error(400, f"not a request: {error!r}"))
            return
        if events:
            self._stream(events, typed=_is_typed(call), cut=fault == "cut")
        else:
            self._send(200, answer, cut=fault == "cut")

    def _send(self, status: int, answer: dict[str, Any], *, cut: bool = False) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def _stream(self, events: Sequence[dict[str, Any]], *, typed: bool, cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for index, event in enumerate(events):
            if index and index == len(events) // 2:
                self.server.control.pass_gate("middle")
                if cut:
                    self.close_connection = True
                    return
            head = f"event: {event['type']}\n" if typed else ""
            self._chunk(f"{head}data: {json.dumps(event)}\n\n")
        self._chunk("" if typed else "data: [DONE]\n\n")
        if not typed:
            self._chunk("")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _is_typed(call: Call) -> bool:
    """Whether each event of a stream has a type, and no mark ends it."""
    return call.path == "/v1/responses"


def _error(status: int, message: str) -> dict[str, Any]:
    kind = {429: "rate_limit_error"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[Upstream]:
    """A server on loopback until the context ends; port 0 takes a free one."""
    upstream = Upstream()
    server = _Server(("127.0.0.1", port), upstream)
    upstream.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="fake-openai")
    thread.start()
    try:
        yield upstream
    finally:
        upstream.close()
        server.shutdown()
        thread.join()
        server.server_close()
