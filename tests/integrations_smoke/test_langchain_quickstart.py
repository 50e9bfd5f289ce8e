"""The LangChain quickstart as its README runs it: by one command, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "integrations" / "langchain_quickstart" / "app.py"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


class Run:
    """Starts the script in an empty folder, where it keeps its answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, APP, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def tiers(output: str) -> list[str]:
    return re.findall(r"^  tier (\w+)", output, re.MULTILINE)


def test_the_second_run_answers_from_the_cache(run: Run) -> None:
    first, second = run(), run()
    assert tiers(first) == ["none", "hot", "semantic", "none"]
    assert "2 of 4 from the cache" in first
    assert tiers(second) == ["exact", "hot", "semantic", "exact"]
    assert "so far 6 of 8 from the cache" in second


def test_the_simulated_model_says_so_and_takes_any_question(run: Run) -> None:
    output = run("Do you repair boots?")
    assert output.startswith("model: simulated")
    assert "[simulated] an answer to: Do you repair boots?" in output
    assert "guard" not in output


def test_the_readme_names_the_command() -> None:
    readme = APP.with_name("README.md").read_text()
    assert f"python {APP.relative_to(APP.parents[2])}" in readme
    assert re.findall(r"`(--\w+)", readme) == re.findall(r'"(--\w+)"', APP.read_text())
