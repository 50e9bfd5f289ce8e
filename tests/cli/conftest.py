"""The ``cache-fabric contexts`` command on a folder of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric.cli.app import app

PLAIN = {"COLUMNS": "200", "FORCE_COLOR": None, "NO_COLOR": None}
KEY = "router:support:system_prompt"
Run = Callable[..., Result]
Done = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fabric"


@pytest.fixture
def run(folder: Path) -> Run:
    """Run ``cache-fabric contexts ...`` on a folder of its own."""

    def invoke(*args: str, given: str | bytes | None = None, **env: str) -> Result:
        words = ["contexts", *args[:1], "--fabric", str(folder), *args[1:]]
        result = CliRunner().invoke(app, words, given, env={**PLAIN, **env})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def done(run: Run) -> Callable[..., str]:
    """Run a command that must work, and return what it printed."""

    def invoke(*args: str, **more: Any) -> str:
        result = run(*args, **more)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    return invoke


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command that must end with exit code 1, and return its message."""

    def invoke(*args: str, **more: Any) -> str:
        result = run(*args, **more)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr

    return invoke
