"""Throughput of a LiteLLM proxy with our hook, with LiteLLM's own Redis cache, and with none."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from cache_fabric.bench.hits import WORDS
from cache_fabric.bench.timing import Row
from cache_fabric.stores._embedded_server import server_program

__all__ = ["proxy_throughput"]

_AT_ONCE = 8
_CALLS = 96  # of one round and kind
_START_SECONDS = 180
_HOOK = {"callbacks": ["cache_fabric.litellm_proxy.fabric_hook"]}
_PROXIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # for LiteLLM, for the fabric
    "no cache": ({}, {}),
    "LiteLLM's Redis cache": ({"cache": True}, {}),
    "fabric": (_HOOK, {}),
    "fabric, similarity 1, not tracked": (_HOOK, {"track": False, "similarity": 1.0}),
}


def proxy_throughput(rounds: int = 5) -> list[Row]:
    """Measure what a call costs a saturated proxy of one worker, a miss and a hit.

    The model answers at once, so that only the proxy works. All proxies run side by side and are
    asked in turn; a row is the median over the rounds of the time a call, eight at a time.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        model = stack.enter_context(_answering())
        redis = _free_port()
        serving = [server_program(), "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
        stack.enter_context(_running(serving, home, "redis"))
        urls = {
            name: stack.enter_context(_proxy(home / str(number), model, redis, *settings))
            for number, (name, settings) in enumerate(_PROXIES.items())
        }
        for url in urls.values():
            _wait_for(url)
        return asyncio.run(_measured(urls, rounds))


async def _measured(urls: dict[str, str], rounds: int) -> list[Row]:
    rng = random.Random(0)  # noqa: S311 - reproducible texts
    numbers = itertools.count()
    taken: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, url in urls.items():
            asked = [f"{' '.join(rng.choices(WORDS, k=6))}? {next(numbers)}" for _ in range(_CALLS)]
            for kind in ("a miss", "a hit"):
                begun = time.perf_counter()
                await _ask_all(url, asked)
                seconds = time.perf_counter() - begun
                if number:  # the first round warms up
                    taken.setdefault(f"{kind}, {name}", []).append(1e6 * seconds / _CALLS)
                await asyncio.sleep(0.5)  # what is written behind is no part of the next round
    rows = []
    for kind, against in (("a miss", "no cache"), ("a hit", "LiteLLM's Redis cache")):
        base = statistics.median(taken[f"{kind}, {against}"])
        for name in urls:
            times = taken[f"{kind}, {name}"]
            p50 = statistics.median(times)
            rows.append(Row(f"{kind}, {name}", p50, max(times), p50 / base, f"against {against}"))
    return rows


async def _ask_all(url: str, questions: list[str]) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    limits = httpx.Limits(max_connections=_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:

        async def ask(question: str) -> None:
            messages = [{"role": "user", "content": question}]
            async with turns:
                said = await http.post(
                    "/v1/chat/completions",
                    json={"model": "gpt-4o-mini", "messages": messages},
                    headers={"authorization": f"Bearer {_KEY}"},
                )
            said.raise_for_status()

        await asyncio.gather(*map(ask, questions))


_KEY = f"sk-{secrets.token_hex(32)}"


@contextlib.contextmanager
def _proxy(
    folder: Path, model: str, redis: int, settings: dict[str, Any], ours: dict[str, Any]
) -> Iterator[str]:
    folder.mkdir()
    own = {"type": "redis", "host": "127.0.0.1", "port": redis}
    fabric = {"backend": "redis", "url": f"redis://127.0.0.1:{redis}", "namespace": folder.name}
    upstream = {"model": "openai/gpt-4o-mini", "api_base": model, "api_key": "sk-none"}
    config = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": upstream}],
        "litellm_settings": {**settings, **({"cache_params": own} if "cache" in settings else {})},
        "general_settings": {"master_key": _KEY},
        "cache_fabric": {**fabric, **ours},
    }
    path, port = folder / "config.yaml", _free_port()
    path.write_text(json.dumps(config))  # JSON is YAML
    told = {
        "CACHE_FABRIC_PROXY_CONFIG": str(path),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    command = [str(Path(sys.executable).with_name("litellm")), "--config", str(path)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    with _running(command, folder, "proxy", told):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, name: str, environment: dict[str, str] | None = None
) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - commands of our own
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        for stop in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health/liveliness", timeout=5).is_success:
                return
        time.sleep(0.2)
    raise TimeoutError(f"the proxy at {url} did not start in {_START_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _answering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Model) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"An answer to {body['messages'][-1]['content']}"
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32}
        told = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m"}
        data = json.dumps({**told, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
