"""``cache-fabric executions``: runs are found, shown, followed, and taken to files and back."""

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
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import create_cache_fabric
from cache_fabric.cli.app import app
from cache_fabric.sync import SyncCacheFabric
from cli.conftest import PLAIN

Run = Callable[..., Result]


@pytest.fixture
def run(folder: Path) -> Run:
    """Run ``cache-fabric executions ...`` on a folder of its own."""

    def invoke(*args: str, given: str | None = None) -> Result:
        words = ["executions", *args[:1], "--fabric", str(folder), *args[1:]]
        result = CliRunner().invoke(app, words, given, env=PLAIN)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def fabric(folder: Path) -> Iterator[SyncCacheFabric]:
    with create_cache_fabric("local", path=folder).sync as opened:
        yield opened


@pytest.fixture
def tracked(fabric: SyncCacheFabric) -> None:
    """Track three runs, the last of them going on."""
    state: dict[str, Any] = {
        "status": "success",
        "input": "How do I return a tent?",
        "output": "By post.",
        "cost": 0.25,
        "cache": {"outcome": "hit", "tier": "exact", "entry_id": "e.1"},
        "contexts": ["router@3"],
    }
    fabric.track_execution("tent", "support", state, tags=["eu"], tenant="acme")
    fabric.track_execution("parcel", "support", {"status": "error", "input": "Where is it?"})
    opened = fabric.start_execution("review", execution_id="going", input="\x1b[31mred")
    opened.step("tool", "search", seconds=0.5, input="a")
    fabric.record_feedback("tent", {"comment": "slow"})
    fabric.record_feedback("tent", {"comment": "quick"})


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0
    return [one["execution_id"] for one in json.loads(result.stdout)]


@pytest.mark.usefixtures("tracked")
def test_they_are_listed_by_every_filter(run: Run) -> None:
    assert ids(run("ls", "--json")) == ["going", "parcel", "tent"]
    for option, value, found in (
        ("--graph", "review", ["going"]),
        ("--status", "error", ["parcel"]),
        ("--tag", "eu", ["tent"]),
        ("--tenant", "acme", ["tent"]),
        ("--outcome", "hit", ["tent"]),
        ("--context", "router@3", ["tent"]),
        ("--feedback", "none", ["tent"]),
        ("--since", "1h", ["going", "parcel", "tent"]),
        ("--until", "1h", []),
        ("--until", "2020-01-01", []),
        ("--min-cost", "0.2", ["tent"]),
        ("--max-cost", "0.2", []),
    ):
        assert ids(run("ls", option, value, "--json")) == found, option


@pytest.mark.usefixtures("tracked")
def test_people_get_a_table_that_no_text_can_style(run: Run) -> None:
    result = run("ls")
    assert result.exit_code == 0
    assert "1 hit" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred" in result.stdout


@pytest.mark.usefixtures("tracked")
def test_pages_are_named_on_standard_error(run: Run) -> None:
    first = run("ls", "--limit", "2", "--json")
    assert ids(first) == ["going", "parcel"]
    cursor = first.stderr.split("--cursor ")[1].strip()
    second = run("ls", "--limit", "2", "--cursor", cursor, "--json")
    assert ids(second) == ["tent"]
    assert second.stderr == ""


@pytest.mark.usefixtures("tracked")
def test_they_are_searched_by_words_and_by_meaning(run: Run, fabric: SyncCacheFabric) -> None:
    assert ids(run("search", "TENT", "--json")) == ["tent"]
    fabric.close()  # a folder of Chroma belongs to one process
    found = json.loads(run("search", "--like", "send a tent back", "--json").stdout)
    assert found[0]["execution_id"] == "tent"
    assert found[0]["similarity"] > found[1]["similarity"]


@pytest.mark.usefixtures("tracked")
def test_one_is_shown_with_its_steps_and_its_feedback(run: Run) -> None:
    shown = json.loads(run("show", "tent", "--json").stdout)
    assert shown["state"]["output"] == "By post."
    assert shown["feedback"][0]["data"] == {"comment": "quick"}
    assert shown["feedback"][0]["supersedes"][0]["data"] == {"comment": "slow"}
    text = run("show", "tent").stdout
    assert "router@3" in text
    assert "quick" in text
    going = run("show", "going").stdout
    assert "running" in going
    assert "search" in going


def test_what_is_not_there_and_what_cannot_be_are_told(run: Run) -> None:
    unknown = run("show", "none")
    assert (unknown.exit_code, unknown.stderr) == (1, "cache-fabric: no execution 'none'\n")
    assert "No executions." in run("ls").stderr
    wrong = run("ls", "--outcome", "maybe")
    assert wrong.exit_code == 1
    assert "outcome" in wrong.stderr
    assert run("ls", "--since", "yesterday").exit_code == 2
    missing = run("import", "nowhere.jsonl")
    assert missing.exit_code == 1
    assert "cache-fabric: nowhere.jsonl: No such file or directory" in missing.stderr


@pytest.mark.usefixtures("tracked")
def test_a_file_takes_them_from_one_folder_to_another(
    run: Run, fabric: SyncCacheFabric, tmp_path: Path
) -> None:
    file = tmp_path / "runs.jsonl"
    assert "2 executions written" in run("export", str(file), "--graph", "support").stderr
    piped = run("export", "-").stdout
    assert [json.loads(line)["execution_id"] for line in piped.splitlines()] == [
        "going",
        "parcel",
        "tent",
    ]
    other = ["--fabric", str(tmp_path / "other")]
    one = CliRunner().invoke(app, ["executions", "import", str(file), *other], env=PLAIN)
    assert "2 executions kept" in one.stderr
    two = CliRunner().invoke(app, ["executions", "import", "-", *other], piped, env=PLAIN)
    assert "3 executions kept" in two.stderr
    again = CliRunner().invoke(app, ["executions", "export", "-", *other], env=PLAIN)
    assert again.stdout == piped


class Tail:
    """A ``cache-fabric executions tail`` process whose lines are read with a deadline."""

    def __init__(self, folder: Path, *args: str) -> None:
        code = "from cache_fabric.cli import main; main()"
        words = ["executions", "tail", "--fabric", str(folder), *args]
        self.popen = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self) -> str:
        return self._lines.get(timeout=60)

    def close(self) -> None:
        self.popen.kill()
        self._reader.join(60)
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.put(line)


@pytest.mark.usefixtures("tracked")
def test_tail_prints_what_comes_until_it_is_interrupted(
    folder: Path, fabric: SyncCacheFabric
) -> None:
    tail = Tail(folder, "--json", "--last", "2", "--graph", "support")
    try:
        assert [json.loads(tail.line())["execution_id"] for _ in range(2)] == ["tent", "parcel"]
        fabric.track_execution("elsewhere", "other", {})
        run = fabric.start_execution("support", execution_id="next")
        fabric.flush()
        assert json.loads(tail.line())["state"]["status"] == "running"
        run.finish("done")
        fabric.flush()
        assert json.loads(tail.line())["state"]["output"] == "done"
        tail.popen.send_signal(signal.SIGINT)
        assert tail.popen.wait(60) == 130
        assert tail.popen.stderr is not None
        assert tail.popen.stderr.read() == ""
    finally:
        tail.close()


@pytest.mark.usefixtures("tracked")
def test_tail_takes_nothing_that_is_there_for_new(folder: Path, fabric: SyncCacheFabric) -> None:
    tail = Tail(folder, "--last", "1", "--count", "2")
    try:
        assert "going" in tail.line()
        fabric.track_execution("next", "other", {})
        fabric.flush()
        assert "next" in tail.line()
        assert tail.popen.wait(60) == 0
    finally:
        tail.close()


@pytest.mark.usefixtures("tracked")
def test_tail_ends_after_so_many(run: Run) -> None:
    result = run("tail", "--count", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [("tent" in lines[0]), ("parcel" in lines[1]), len(lines)] == [True, True, 2]
