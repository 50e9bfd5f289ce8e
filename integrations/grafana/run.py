"""Traffic, a scrape and Prometheus on loopback, and what each panel of the dashboard shows."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cache_fabric import CacheFabric, CacheRequest, create_cache_fabric
from cache_fabric.demo.traffic import Question, demo_stream

HERE = Path(__file__).parent
START_SECONDS = 60
SCRAPE_SECONDS = 1
TOKEN = secrets.token_hex(16)
MODEL_SECONDS = 0.05
PUBLISH_SECONDS = 2.0
WORDS = {"$job": ".+", "$__rate_interval": "15s", "$__range": "1m"}
PROMPT = "router:support:system_prompt"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the context ends."""
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fetched(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            fetched(url)
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """``cache-fabric serve``; yields its address."""
    port, log = free_port(), folder / "serve.log"
    command = [sys.executable, "-m", "cache_fabric", "serve", "--port", str(port)]
    told = {"CACHE_BACKEND": "memory", "CACHE_FABRIC_STORE": store_of(folder)}
    told["CACHE_FABRIC_API_TOKEN"] = TOKEN
    with running(command, log, env={**os.environ, **told}, cwd=folder) as process:
        wait_for(f"http://127.0.0.1:{port}/metrics", process, log)
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def watching(folder: Path, target: str) -> Iterator[str | None]:
    """Prometheus with this folder's configuration; yields its address, if it is installed."""
    if shutil.which("prometheus") is None:
        yield None
        return
    told = yaml.safe_load((HERE / "prometheus.yml").read_text())
    every = f"{SCRAPE_SECONDS}s"
    told["global"] = {"scrape_interval": every, "evaluation_interval": every}
    told["rule_files"] = [str(HERE / "alerts.yml")]
    (folder / "token").write_text(TOKEN)
    [job] = told["scrape_configs"]
    job["authorization"] = {"credentials_file": str(folder / "token")}
    job["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    port, log = free_port(), folder / "prometheus.log"
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with running(command, log) as process:
        wait_for(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield f"http://127.0.0.1:{port}"


def store_of(folder: Path) -> str:
    return f"sqlite://{folder / 'fabric.db'}"


def traffic(fabric: CacheFabric, seconds: float) -> int:
    """Ask the demo's questions of a simulated model, and change a context now and then."""
    stream, asked = demo_stream(), 0
    now = publish = time.monotonic()
    deadline = now + seconds
    while (now := time.monotonic()) < deadline:
        question = stream[asked % len(stream)]
        if now >= publish:
            publish = now + PUBLISH_SECONDS
            fabric.sync.set_context(PROMPT, f"Be brief. Edition {asked}.", message="from run.py")
        fabric.sync.get_or_call(asked_of(question), lambda: simulated(question))  # noqa: B023
        run, state = f"run-{asked}", {"status": "success", "input": question.text}
        fabric.sync.track_execution(run, question.app, state)
        asked += 1
    return asked


def asked_of(question: Question) -> CacheRequest:
    system = {"role": "system", "content": question.system_prompt}
    user = {"role": "user", "content": question.text}
    return CacheRequest(model="gpt-4o-mini", messages=[system, user])


def simulated(question: Question) -> str:
    time.sleep(MODEL_SECONDS)
    return question.answer


def panels() -> Iterator[tuple[str, str, str]]:
    """Title, legend and query of each line of the dashboard."""
    dashboard = json.loads((HERE / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for word, value in WORDS.items():
                query = query.replace(word, value)
            yield panel["title"], target["legendFormat"], query


def shown(url: str, query: str) -> list[tuple[Mapping[str, str], float]]:
    """Ask Prometheus; labels and value of each series."""
    text = fetched(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    return [
        (each["metric"], float(each["value"][1])) for each in json.loads(text)["data"]["result"]
    ]


def legend(text: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), text).strip()


def show(url: str) -> None:
    title = ""
    for name, text, query in panels():
        if name != title:
            print(f"\n{name}")
        title = name
        series = shown(url, query)
        for labels, value in series:
            print(f"  {legend(text, labels):<28} {value:.6g}")
        if not series:
            print(f"  {legend(text, {}):<28} no data")
    rules = json.loads(fetched(f"{url}/api/v1/rules"))["data"]["groups"]
    print("\nrules")
    for rule in (rule for group in rules for rule in group["rules"]):
        print(f"  {rule['name']:<40} {rule['health']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to ask questions")
    parser.add_argument("--stay", action="store_true", help="leave the servers until Ctrl+C")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name)) as target,
        watching(Path(name), target) as url,
    ):
        print(f"model: simulated\nscrape: http://{target}/metrics\nprometheus: {url}", flush=True)
        fabric = create_cache_fabric("memory", store=store_of(Path(name)))
        with fabric.sync:
            print(f"{traffic(fabric, options.seconds)} questions asked", flush=True)
        time.sleep(2 * SCRAPE_SECONDS)
        if url is None:
            print("prometheus is not installed: this is what it would scrape\n")
            print(fetched(f"http://{target}/metrics").decode())
        else:
            show(url)
        while options.stay:
            time.sleep(1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
