"""A real LiteLLM proxy in a process of its own, before an imitated OpenAI and a real Valkey."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from fake_openai import Upstream
from servers import Server, end_with_parent, free_ports

ROOT = Path(__file__).parents[2]
START_SECONDS = 150.0
CANARIES = ("sk-upstream-canary", "canary-header", "canary-in-a-body")
HEADER = "x-cache-fabric"


@dataclass
class Proxy:
    """One proxy that takes requests, and what it stands before."""

    url: str
    upstream: Upstream
    redis: Server
    log: Path

    def client(self, key: str = "sk-blue-one") -> Any:
        """OpenAI's own; untyped, for its types name every shape of a request."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)

    def ask(self, text: str | list[Any], key: str = "sk-blue-one", **arguments: Any) -> Said:
        """One plain chat completion."""
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        asked: dict[str, Any] = {"model": "gpt-4o", "messages": messages, **arguments}
        with self.client(key) as client:
            raw = client.chat.completions.with_raw_response.create(**asked)
            return Said(raw.parse().choices[0].message.content or "", raw.headers)

    def asked_for(self, text: str) -> int:
        """How many calls about a text have reached the model."""
        return sum(text in str(call.body) for call in self.upstream.calls)


@dataclass
class Said:
    text: str
    headers: Mapping[str, str]

    def fabric(self, name: str = "") -> str | None:
        return self.headers.get(f"{HEADER}-{name}" if name else HEADER)


@contextlib.contextmanager
def proxying(
    folder: Path, upstream: Upstream, redis: Server, *, workers: int, **settings: Any
) -> Iterator[Proxy]:
    """A proxy of so many workers; ``settings`` are its ``environment`` or its ``cache_fabric``."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "config.yaml", folder / "proxy.log"
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith(("CACHE_FABRIC_", "REDIS_"))},
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
        "UPSTREAM_URL": upstream.url,
        "UPSTREAM_KEY": CANARIES[0],
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
        **settings.get("environment", {}),
    }
    if "cache_fabric" in settings:
        environment["CACHE_FABRIC_PROXY_CONFIG"] = str(path)
    path.write_text(yaml.safe_dump(_config(settings.get("cache_fabric"))))
    command = [Path(sys.executable).with_name("litellm"), "--config", path, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", str(workers), "--telemetry", "False"]
    # A worker takes longer to import LiteLLM than uvicorn waits for a sign of life.
    command += ["--timeout_worker_healthcheck", "120"]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdout=written,
            stderr=written,
            preexec_fn=end_with_parent,
            start_new_session=True,
        )
    proxy = Proxy(f"http://127.0.0.1:{port}", upstream, redis, log)
    try:
        wait_until_ready(proxy, process, workers)
        yield proxy
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(proxy: Proxy, process: subprocess.Popen[bytes], workers: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        said = proxy.log.read_text(errors="replace")
        if said.count("Application startup complete") >= workers and is_alive(proxy.url):
            return
        if "Application startup failed" in said:
            break  # the workers are started again and again
        time.sleep(0.1)
    pytest.fail(f"the proxy did not start:\n{proxy.log.read_text(errors='replace')[-4000:]}")


def is_alive(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _config(section: Mapping[str, Any] | None) -> dict[str, Any]:
    deployment = {"api_base": "os.environ/UPSTREAM_URL", "api_key": "os.environ/UPSTREAM_KEY"}
    models = ("gpt-4o", "gpt-4o-mini", "gpt-4.1-mini")
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **deployment}}
            for name in models
        ],
        "litellm_settings": {
            "callbacks": ["cache_fabric.litellm_proxy.fabric_hook"],
            "num_retries": 0,
        },
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"custom_auth": "litellm_host.proxy_keys.verify"},
        **({} if section is None else {"cache_fabric": dict(section)}),
    }
