"""Contexts over real processes on one SQLite file: killed writers, racing writers, live readers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cache_fabric import create_cache_fabric

KILLED_WRITERS = """
import os, random, signal, sys, time
from cache_fabric import create_cache_fabric

url, cycles = sys.argv[1], int(sys.argv[2])
rng = random.Random(5)
with create_cache_fabric("memory", store=url).sync as first:  # imports what a child needs
    first.set_context("other", 0)
for cycle in range(cycles):
    pid = os.fork()
    if pid == 0:
        fabric = create_cache_fabric("memory", store=url)
        number = 0
        while True:
            with fabric.sync.publish(message=f"{cycle}/{number}") as bundle:
                bundle.set_context("prompt", [cycle, number])
                bundle.set_context("tools", [cycle, number])
            number += 1
    time.sleep(0.04 + rng.random() / 12)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""

WRITER = """
import sys
from cache_fabric import create_cache_fabric

with create_cache_fabric("memory", store=sys.argv[1]).sync as fabric:
    for number in range(int(sys.argv[3])):
        fabric.set_context("k", [sys.argv[2], number])
"""


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], text=True)


@pytest.mark.timeout(240)
def test_a_bundle_of_a_killed_writer_is_whole_or_absent(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'fabric.db'}"
    assert run(KILLED_WRITERS, url, "100").wait(200) == 0
    with create_cache_fabric("memory", store=url).sync as fabric:
        prompts, tools = fabric.context_history("prompt"), fabric.context_history("tools")
        assert len({json.dumps(e.value[0]) for e in prompts}) > 50, "too few cycles wrote anything"
        assert [(e.value, e.revision) for e in prompts] == [(e.value, e.revision) for e in tools]
        assert [e.version for e in prompts] == list(range(1, len(prompts) + 1))


@pytest.mark.timeout(240)
def test_four_processes_write_one_key_and_every_write_is_a_version(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'fabric.db'}"
    writers = [run(WRITER, url, str(n), "250") for n in range(4)]
    assert [writer.wait(200) for writer in writers] == [0] * 4
    with create_cache_fabric("memory", store=url).sync as fabric:
        found = fabric.context_history("k")
    assert [e.version for e in found] == list(range(1, 1001))
    assert {(w, n) for w, n in (e.value for e in found)} == {
        (str(w), n) for w in range(4) for n in range(250)
    }
