"""One running agent of the demo, a process of its own: ``python -m cache_fabric.demo.agent``.

It reads its prompt from the live view before each answer, as an agent of an application does, and
writes a line of JSON whenever something about it changed. ``stop`` and ``start`` on its standard
input turn its switch; the end of that input ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from cache_fabric.config import FabricConfig
from cache_fabric.demo.simulated import SimulatedModel
from cache_fabric.demo.switched import Switch, switched
from cache_fabric.demo.traffic import load_demo
from cache_fabric.fabric import CacheFabric
from cache_fabric.factory import create_cache_fabric
from cache_fabric.policy.exact_only import ExactOnly
from cache_fabric.records import ContextChange
from cache_fabric.stores.sqlite import SqliteStore

_EVERY = 0.5  # seconds between two answers
_TOLD = 2  # answers that are told together: listeners keep a thousand events, of all kinds
_KEY = "router:moderation:system_prompt"
_QUIET = 1.5  # seconds without word from the log after which it is behind


async def main(name: str, file: str, namespace: str) -> None:
    """Run until the standard input ends."""
    store, switch = switched(SqliteStore(file, namespace))
    config = FabricConfig(agent=name, namespace=namespace)
    fabric = create_cache_fabric("memory", store=store, config=config, policy=ExactOnly())
    async with fabric:
        agent = _Agent(name, fabric)
        fabric.on("changed", agent.heard)
        answering = asyncio.create_task(agent.answer())
        await _obey(switch)
        answering.cancel()
    await store.aclose()


class _Agent:
    def __init__(self, name: str, fabric: CacheFabric) -> None:
        self._name = name
        self._fabric = fabric
        self._delay: float | None = None
        self._answered = 0
        self._telling: asyncio.Task[None] | None = None
        self._questions = [group.questions[0] for group in load_demo().groups]
        self._model = SimulatedModel(load_demo(), len, 0.0)

    def heard(self, _: str, change: Any) -> None:
        """Say at once that another version is served now."""
        if isinstance(change, ContextChange) and change.key == _KEY:
            self._delay = max(0.0, time.time() - change.at.timestamp())
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def answer(self) -> None:
        """Answer one question after the other, under the prompt of the moment."""
        while True:
            await self._fabric.known_context(_KEY)
            self._model.answer(self._questions[self._answered % len(self._questions)])
            self._answered += 1
            if self._answered % _TOLD == 0:
                await self._tell()
            await asyncio.sleep(_EVERY)

    async def _tell(self) -> None:
        entry = await self._fabric.known_context(_KEY)
        is_quiet = entry is not None and entry.age > _QUIET
        told = {
            "name": self._name,
            "version": None if entry is None else entry.version,
            "revision": self._fabric.standing().revision,
            "delay": self._delay,
            "stale": entry.age if entry is not None and is_quiet else None,
            "answered": self._answered,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


async def _obey(switch: Switch) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        switch.on = line.strip() == b"start"


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
