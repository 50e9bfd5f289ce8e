"""Processes that track executions until they are killed; each says what it was told is kept.

``killed_trackers.py cycles URL FILE COUNT`` forks COUNT children one after another and kills each
at a random moment. A child appends to FILE the name of every run whose write was acknowledged.
``killed_trackers.py once URL FILE CYCLE`` is one such child, which nobody kills.
``killed_trackers.py batches URL FILE COUNT`` tracks COUNT runs and kills itself.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric

PROMPT = "You are the support of a shop. " * 40  # long enough to be kept apart, once
BATCH = 2_000
STEPS = 3


def state_of(name: str) -> dict[str, Any]:
    """What the run of a name holds: a text that all share, and one that is kept apart as well."""
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": name}]
    return {"status": "success", "input": messages, "output": f"{name} " * 100}


def open_fabric(url: str) -> CacheFabric:
    return create_cache_fabric("memory", store=url, config=FabricConfig(index_executions=False))


def once(url: str, file: Path, cycle: int) -> None:
    """Track in turn a run with steps, one that is left open, and one that is waited for."""
    acknowledged = os.open(file, os.O_WRONLY | os.O_APPEND)
    fabric = open_fabric(url).sync
    number = 0
    while True:
        name = f"{cycle}.{number}"
        run = fabric.start_execution("steps", execution_id=f"steps.{name}")
        for step in range(STEPS):
            run.step("tool", f"{step}", output=f"{name}/{step}")
        run.finish(output=name)
        fabric.start_execution("left open", execution_id=f"open.{name}").step("tool", "0")
        kept = fabric.track_execution(name, "waited", state_of(name), durable=True)
        os.write(acknowledged, f"{name} {kept.durability}\n".encode())
        number += 1


def cycles(url: str, file: Path, count: int) -> None:
    rng = random.Random(7)
    with open_fabric(url).sync as first:  # imports what a child needs
        first.get_execution("none")
    for cycle in range(count):
        written = file.stat().st_size
        pid = os.fork()
        if pid == 0:
            once(url, file, cycle)
        # Every other child has written something when it is killed, however busy the machine is.
        deadline = time.monotonic() + 30
        while cycle % 2 and file.stat().st_size == written and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() / 8)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def batches(url: str, file: Path, count: int) -> None:
    fabric = open_fabric(url).sync
    for start in range(0, count, BATCH):
        for number in range(start, start + BATCH):
            fabric.track_soon(f"{number}", "batch", {"number": number, "input": PROMPT})
        fabric.flush()
        kept = fabric.get_metrics()["executions"].get("kept", 0)
        file.write_text(f"{kept}")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    what, place, named, number = sys.argv[1:]
    {"cycles": cycles, "once": once, "batches": batches}[what](place, Path(named), int(number))
