"""What contexts cost: a read from the live view, and a publish until every process has seen it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cache_fabric.bench.timing import Row
from cache_fabric.factory import create_cache_fabric

__all__ = ["context_reads", "publish_to_seen"]

_KEY = "router:support:system_prompt"
_PROCESSES = 8


def context_reads(rounds: int = 20_000) -> list[Row]:
    """Measure ``await get_context`` from the live view against one GET of a real Redis.

    The Redis is the wheel's server on a Unix socket, which is its fastest way in.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_reads(f"embedded://{folder}", rounds))


async def _reads(url: str, rounds: int) -> list[Row]:
    live: list[float] = []
    gets: list[float] = []
    async with create_cache_fabric("redis", url=url) as fabric:
        await fabric.set_context(_KEY, "You are a shop's support.")
        store = fabric._life().parts.store
        for number in range(rounds):
            started = time.perf_counter()
            await fabric.get_context(_KEY)
            live.append(1e6 * (time.perf_counter() - started))
            if number % 20 == 0:
                started = time.perf_counter()
                await store.get("nothing")
                gets.append(1e6 * (time.perf_counter() - started))
    return [
        _row("one Redis GET", gets),
        _row("get_context, live view", live, statistics.median(gets), "at most 2 \u00b5s p99"),
    ]


def publish_to_seen(rounds: int = 100) -> list[Row]:
    """Measure from a publish until each of 8 other processes has the new version in its view."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "SQLite": (f"sqlite://{Path(folder) / 'fabric.db'}", "p99 at most 50 ms"),
            "Redis": (f"embedded://{folder}/redis", "p99 at most 25 ms"),
        }
        for name, (url, bar) in places.items():
            delays = _delays(url, rounds)
            rows.append(_row(f"publish to seen, {name}, {_PROCESSES} processes", delays, bar=bar))
    return rows


def _delays(url: str, rounds: int) -> list[float]:
    fabric = create_cache_fabric("memory", store=url)
    with fabric.sync, _agents(url) as agents:
        fabric.sync.set_context(_KEY, "ready")
        _versions(agents, 1)
        delays: list[float] = []
        for version in range(2, rounds + 2):
            started = time.time()
            fabric.sync.set_context(_KEY, f"version {version}")
            delays += [1e6 * (seen - started) for seen in _versions(agents, version)]
    return delays


@contextlib.contextmanager
def _agents(url: str) -> Iterator[list[IO[str]]]:
    """Start processes that print each version and the wall clock at which their view has it."""
    started = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "cache_fabric.bench.contexts", url],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(_PROCESSES)
    ]
    try:
        yield [process.stdout for process in started if process.stdout is not None]
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _versions(agents: list[IO[str]], version: int) -> list[float]:
    """Return when each agent had this version."""
    seen = []
    for agent in agents:
        for line in agent:
            told = json.loads(line)
            if told["version"] >= version:
                seen.append(told["at"])
                break
    return seen


def _row(name: str, times: list[float], base: float | None = None, bar: str = "") -> Row:
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    return Row(name, p50, p99, None if base is None else p50 / base, bar)


async def _agent(url: str) -> None:
    fabric = create_cache_fabric("memory", store=url)

    def seen(*_: object) -> None:
        at = time.time()
        entry = fabric._life().contexts.live.view.entries["global\x1f" + _KEY]  # type: ignore[union-attr]
        print(json.dumps({"version": entry.version, "at": at}), flush=True)

    fabric.on("changed", seen)
    entry = await fabric.get_context(_KEY)
    if entry is not None:
        print(json.dumps({"version": entry.version, "at": time.time()}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_agent(sys.argv[1]))
