"""``cache-fabric contexts watch``, here and in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import KEY, Done


class Process:
    """A ``cache-fabric contexts`` process whose lines are read with a deadline."""

    def __init__(self, *args: str) -> None:
        code = "from cache_fabric.cli import main; main()"
        self.popen = subprocess.Popen(
            [sys.executable, "-c", code, "contexts", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def line(self) -> str:
        """Return the next line."""
        return self._lines.get(timeout=60)

    def end(self) -> tuple[int, str]:
        """Return the exit code and what is on standard error."""
        code = self.popen.wait(60)
        assert self.popen.stderr is not None
        return code, self.popen.stderr.read()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.put(line)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Process]]:
    """Start ``cache-fabric contexts ...`` processes on the folder of the test."""
    started: list[Process] = []

    def one(*args: str) -> Process:
        started.append(Process(*args, "--fabric", str(folder)))
        return started[-1]

    yield one
    for process in started:
        process.popen.kill()
        process.popen.communicate()


Start = Callable[..., Process]


def test_watch_goes_on_after_a_revision(done: Done) -> None:
    for value in ("one", "two", "three"):
        done("set", KEY, value)
    lines = done("watch", "--after", "1", "--count", "2", "--json").splitlines()
    assert [json.loads(line)["revision"] for line in lines] == [2, 3]


def test_watch_tells_each_change_in_one_line(done: Done) -> None:
    done("set", KEY, "one", "--author", "ann", "--message", "two\nlines")
    done("label", KEY, "stable", "1")
    first, second = done("watch", "--after", "0", "--count", "2").splitlines()
    assert first.startswith("1 ")
    assert first.endswith(rf"set {KEY}  global version 0 -> 1  behaviour 1  ann  two\nlines")
    assert f"label {KEY}@stable  global version 0 -> 1" in second


def test_watch_keeps_to_its_prefix_and_tenant(done: Done) -> None:
    done("set", "a", "1")
    done("set", "b", "1", "--tenant", "acme")
    done("set", "b", "1", "--tenant", "other")
    done("set", "b", "1")
    words = ("watch", "b", "--after", "0", "--count", "2", "--tenant", "acme", "--json")
    assert [json.loads(line)["revision"] for line in done(*words).splitlines()] == [2, 4]


def test_a_watch_in_another_process_sees_what_was_written_before(start: Start) -> None:
    for value in ("one", "two"):
        assert start("set", KEY, value).end() == (0, "")
    watching = start("watch", "--count", "2", "--json", "--after", "0")
    found = [json.loads(watching.line()) for _ in range(2)]
    assert [(c["op"], c["version"]) for c in found] == [("set", 1), ("set", 2)]
    assert watching.end() == (0, "")


def test_a_live_watch_prints_each_change_at_once_and_ends_on_ctrl_c(
    start: Start, done: Done
) -> None:
    done("set", KEY, "one")
    watching = start("watch", "--after", "0")
    assert "version 0 -> 1" in watching.line()
    done("set", KEY, "two")
    assert "version 1 -> 2" in watching.line()
    done("delete", KEY)
    assert "delete" in watching.line()
    watching.popen.send_signal(signal.SIGINT)
    assert watching.end() == (130, "")
