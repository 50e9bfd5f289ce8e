"""The demo's agents: processes beside the page, that tell what they serve."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Agents"]

_NAMES = ("triage", "appeals", "night-shift")
_PATIENCE = 3.0


class Agents:
    """Starts, turns and stops them.

    Args:
        file: The SQLite file of the demo's store.
        namespace: Of the fabric.
        names: Of the agents; none makes a stage without any.
    """

    def __init__(self, file: Path, namespace: str, names: tuple[str, ...] = _NAMES) -> None:
        self._arguments = (str(file), namespace)
        self._names = names
        self._processes: list[Process] = []
        self._reading: list[asyncio.Task[None]] = []
        self._told: dict[str, dict[str, Any]] = {}

    def told(self) -> list[dict[str, Any]]:
        """Return what each agent told last, by name."""
        return [self._told[name] for name in sorted(self._told)]

    async def start(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Start them; what they tell is handed on as it comes."""
        path = os.pathsep.join(filter(None, sys.path))
        for name in self._names:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cache_fabric.demo.agent", name, *self._arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._processes.append(process)
            self._reading.append(asyncio.create_task(self._read(name, process, tell)))

    async def turn(self, *, running: bool) -> None:
        """Turn the switch of each agent's store."""
        for process in self._processes:
            if process.stdin is not None and process.returncode is None:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(b"start\n" if running else b"stop\n")
                    await process.stdin.drain()

    async def stop(self) -> None:
        """End them; one that does not is killed."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        for reading in self._reading:
            await reading

    async def _read(
        self, name: str, process: Process, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._told[name] = {**json.loads(line), "alive": True}
            tell(self._told[name])
        self._told[name] = {**self._told.get(name, {"name": name}), "alive": False}
        tell(self._told[name])
