"""A graph running in one process, and how soon its calls use what another process publishes."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from cache_fabric.bench.timing import Row
from cache_fabric.factory import create_cache_fabric
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.runtime import ManifestRuntime
from cache_fabric.policy import ExactOnly

__all__ = ["publish_to_call"]

_AT_ONCE = 4
_KEYS = tuple(f"router:{name}:system_prompt" for name in ("first", "second"))
_MANIFEST = {
    "name": "bench",
    "graphs": [
        {
            "name": "main",
            "entry_node": "first",
            "nodes": [
                {"id": name, "kind": "router", "router_ref": name} for name in ("first", "second")
            ],
            "edges": [{"from_node": "first", "to_node": "second"}],
        }
    ],
    "routers": [{"name": name, "system_message": "none"} for name in ("first", "second")],
}


def publish_to_call(rounds: int = 100) -> list[Row]:
    """Measure from a publish until a call of a running graph uses it.

    The graph has two routers and runs four times at once, without a pause, in a process of its own;
    both prompts are published as one bundle, over SQLite. A run is mixed when its calls used two
    versions: never with ``pin="run"``, where the figure is that of the next run's first call.
    """
    rows = []
    for pin in ("live", "run"):
        with tempfile.TemporaryDirectory() as folder:
            delays, runs, mixed = _measured(f"sqlite://{Path(folder) / 'fabric.db'}", pin, rounds)
        until = "call" if pin == "live" else "run"
        name = f"publish to the next {until} of a graph, SQLite ({mixed} of {runs} runs mixed)"
        p99 = statistics.quantiles(delays, n=100)[98]
        rows.append(Row(name, statistics.median(delays), p99, bar="p99 at most 50 ms"))
    return rows


def _measured(url: str, pin: str, rounds: int) -> tuple[list[float], int, int]:
    fabric = create_cache_fabric("memory", store=url)
    with fabric.sync:
        _publish(fabric, 0)
        agent = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "cache_fabric.bench.running_graph", url, pin],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert agent.stdout is not None
            _told(agent.stdout, 0)
            delays = []
            for number in range(1, rounds + 1):
                started = time.time()
                _publish(fabric, number)
                delays.append(1e6 * (_told(agent.stdout, number)["at"] - started))
            last = _told(agent.stdout, rounds)
        finally:
            agent.kill()
            agent.communicate()
    return delays, last["runs"], last["mixed"]


def _publish(fabric: Any, number: int) -> None:
    with fabric.sync.publish() as bundle:
        for key in _KEYS:
            bundle.set_context(key, f"{key} {number}")


def _told(lines: IO[str], number: int) -> dict[str, Any]:
    """Return the first line about this publish or a later one."""
    for line in lines:
        told: dict[str, Any] = json.loads(line)
        if told["number"] >= number:
            return told
    raise RuntimeError("the agent's process has ended")


class _Model(BaseChatModel):
    """Tells of each publish when a call first uses it; takes no time itself."""

    _seen: int = PrivateAttr(default=-1)
    _firsts: dict[str, int] = PrivateAttr(default_factory=dict)
    _counts: dict[str, int] = PrivateAttr(default_factory=lambda: {"runs": 0, "mixed": 0})

    @property
    def _llm_type(self) -> str:
        return "bench"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        at, number = time.time(), int(messages[0].text.split()[1])
        question = messages[1].text
        first = self._firsts.pop(question, None)
        if first is None:
            self._firsts[question] = number
        else:
            self._counts["runs"] += 1
            self._counts["mixed"] += first != number
        if number > self._seen or self._counts["runs"] % 50 == 0:
            self._seen = number
            print(json.dumps({"number": number, "at": at, **self._counts}), flush=True)
        answer = AIMessage("ok", response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=answer)])


async def _agent(url: str, pin: Any) -> None:
    async with create_cache_fabric("memory", store=url, policy=ExactOnly()) as fabric:
        runtime = ManifestRuntime(read_manifest(_MANIFEST), fabric, model=_Model(), pin=pin)
        numbers = itertools.count()

        async def run() -> None:
            for number in numbers:
                await runtime.execute(f"{number}", {"question": f"{number}"})

        await asyncio.gather(*(run() for _ in range(_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(_agent(sys.argv[1], sys.argv[2]))
