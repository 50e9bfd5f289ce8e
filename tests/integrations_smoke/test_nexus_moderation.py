"""The moderation of a manifest as its README runs it: by one command, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "integrations" / "nexus_moderation" / "app.py"
POST = re.compile(r"post (\d+): prompt v(\d+), (\w+) \((\w+)\): (.+)")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    done = subprocess.run(
        [sys.executable, APP],
        cwd=tmp_path_factory.mktemp("moderation"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_manifest_is_compiled_as_one_bundle(output: str) -> None:
    assert "compiled: 3 contexts, at revision 1\n" in output


def test_all_posts_are_decided_and_many_are_served(output: str) -> None:
    found = re.search(r"(\d+) posts: hit rate ([\d.]+) %, (.+)", output)
    assert found is not None
    decided = [int(number) for number in re.findall(r"(\d+) \w+", found[3])]
    assert int(found[1]) == sum(decided) == 101
    assert float(found[2]) > 40


def test_publish_rollback_and_correction_decide_about_the_next_post(output: str) -> None:
    assert [post[1:] for post in POST.findall(output)] == [
        ("2", "miss", "model", "assess > remove > record"),
        ("3", "hit", "hot", "assess > check_rules > remove > record"),
        ("3", "hit", "hot", "assess > publish > record"),
    ]


def test_the_simulated_model_says_so(output: str) -> None:
    assert output.startswith("model: simulated")


def test_the_readme_names_the_command() -> None:
    readme = APP.with_name("README.md").read_text()
    assert f"python {APP.relative_to(APP.parents[2])}" in readme
    assert re.findall(r"`(--\w+)", readme) == re.findall(r'"(--\w+)"', APP.read_text())
