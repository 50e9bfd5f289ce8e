"""The LiteLLM proxy as its README runs it: by one command, in processes of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "integrations" / "litellm_proxy"


@pytest.mark.timeout(300)
def test_one_command_shows_hits_and_headers() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "run.py"],
        env={n: v for n, v in os.environ.items() if not n.startswith("CACHE_FABRIC_")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = re.findall(r"^[\w ]+? +(hit|miss) +([\w-]+) .* (\d+)$", done.stdout, re.MULTILINE)
    assert outcomes == [
        ("miss", "-", "1"),
        ("hit", "hot", "1"),
        ("hit", "semantic", "1"),
        ("hit", "hot", "1"),
        ("miss", "-", "2"),
        ("hit", "hot", "2"),
    ], done.stdout
    assert "x-cache-fabric-execution: " in done.stdout


def test_the_configuration_has_the_hook_and_no_cache() -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text())
    assert config["litellm_settings"] == {"callbacks": ["cache_fabric.litellm_proxy.fabric_hook"]}
    named = set(re.findall(r"os\.environ/(\w+)", (FOLDER / "config.yaml").read_text()))
    shown = set(re.findall(r"^(\w+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert named | {"CACHE_FABRIC_PROXY_CONFIG"} == shown


def test_the_readme_names_the_command() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert "python integrations/litellm_proxy/run.py" in readme
    assert set(re.findall(r"^\| `([\w.]+)`", readme, re.MULTILINE)) == {
        path.name
        for path in FOLDER.iterdir()
        if path.is_file() and path.name not in ("README.md", "run.py")
    }
