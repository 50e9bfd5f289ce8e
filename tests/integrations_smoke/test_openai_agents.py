"""Live instructions as their README runs them: by one command, in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "integrations" / "openai_agents" / "app.py"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    done = subprocess.run(
        [sys.executable, APP],
        cwd=tmp_path_factory.mktemp("agents"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def published(host: str) -> list[str]:
    own, changed = "You answer for the desk.", "You answer for the desk, in one word."
    return [f"{host}: [simulated] {text}" for text in (own, changed)]


def test_a_middleware_takes_the_published_prompt(lines: list[str]) -> None:
    assert [line for line in lines if line.startswith("Agent")] == published("AgentMiddleware")


def test_the_sdk_takes_it_too_or_is_said_to_be_missing(lines: list[str]) -> None:
    told = [line for line in lines if line.startswith("OpenAI")]
    if importlib.util.find_spec("agents") is None:
        assert [line.split(":")[1][:9] for line in told] == [" left out"]
    else:
        assert told == published("OpenAI Agents SDK")


def test_the_readme_names_the_command() -> None:
    readme = APP.with_name("README.md").read_text()
    assert f"python {APP.relative_to(APP.parents[2])}" in readme
