"""The LangGraph agent as its README runs it: by one command, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "integrations" / "langgraph_agent" / "app.py"
RUN = re.compile(
    r"prompt \[(\d)\] \| model calls (\d) \| tool runs (\d) \| hits (\d), misses (\d)"
    r" \| spent \$(\S+), saved \$(\S+)"
)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    done = subprocess.run(
        [sys.executable, APP],
        cwd=tmp_path_factory.mktemp("agent"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_run_calls_what_it_has_to(output: str) -> None:
    runs = [tuple(map(int, run[:5])) for run in RUN.findall(output)]
    assert runs == [
        # prompt, model calls, tool runs, hits, misses
        (1, 2, 1, 0, 2),
        (1, 0, 0, 3, 0),
        (1, 2, 1, 0, 2),
        (1, 1, 1, 1, 1),
        (2, 2, 0, 1, 2),
        (3, 0, 0, 3, 0),
    ]


def test_what_a_hit_saved_is_what_the_miss_cost(output: str) -> None:
    money = [(float(run[5]), float(run[6])) for run in RUN.findall(output)]
    assert money[0][0] == money[1][1] > 0
    assert money[1][0] == 0


def test_the_simulated_model_says_so(output: str) -> None:
    assert output.startswith("model: simulated")
    assert "[simulated] 10 EUR to Norway." in output


def test_the_readme_names_the_command() -> None:
    readme = APP.with_name("README.md").read_text()
    assert f"python {APP.relative_to(APP.parents[2])}" in readme
    assert re.findall(r"`(--\w+)", readme) == re.findall(r'"(--\w+)"', APP.read_text())
