"""``cache-fabric feedback`` on a folder of the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheRequest, Miss, create_cache_fabric
from cache_fabric.cli.app import app
from cache_fabric.provenance import provenance
from cli.conftest import PLAIN

Run = Callable[..., Result]
ASKED = [{"role": "user", "content": "Where is the office?"}]


@pytest.fixture
def feedback(folder: Path) -> Run:
    """Run ``cache-fabric feedback ...`` on a folder with a run that was given an answer."""
    with create_cache_fabric("local", path=folder, index="memory").sync as fabric:
        miss = fabric.lookup(CacheRequest(model="m", messages=ASKED))
        assert isinstance(miss, Miss)
        fabric.store(miss.ticket, "In Berne.")
        fabric.track_execution("run-1", "support", {"cache": provenance(miss)})

    def invoke(*args: str) -> Result:
        words = ["feedback", *args[:1], "--fabric", str(folder), *args[1:]]
        result = CliRunner().invoke(app, words, env=PLAIN)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def shown(feedback: Run, *args: str) -> Any:
    result = feedback(*args, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_add_says_it_and_tells_what_came_of_it(feedback: Run) -> None:
    done = feedback("add", "run-1", "--rating", "1", "--comment", "wrong\x1b[2J city")
    assert done.exit_code == 0
    assert done.stdout.startswith("bad, kept as ")
    [kept] = shown(feedback, "ls")
    assert kept["id"] in done.stdout
    assert kept["data"]["comment"] == "wrong\x1b[2J city"
    for effect in kept["effects"]:
        assert effect["action"] in done.stdout
    assert "\x1b[2J" not in feedback("ls").stdout


def test_add_takes_every_known_field(feedback: Run) -> None:
    given = {
        "--label": "concise",
        "--status": "pending",
        "--score": "0.5",
        "--annotator": "LLM",
        "--annotator-id": "judge",
        "--name": "tone",
    }
    words = [word for pair in given.items() for word in pair]
    kept = shown(feedback, "add", "run-1", *words, "--match", "--untrusted")
    assert kept["data"] == {
        "label": "concise",
        "status": "pending",
        "score": 0.5,
        "match": True,
        "annotator": "LLM",
        "annotator_id": "judge",
        "name": "tone",
    }
    assert (kept["verdict"], kept["trusted"]) == ("good", False)
    assert shown(feedback, "add", "run-1", "--no-match")["verdict"] == "bad"
    assert shown(feedback, "add", "run-1", "--correction", "In Bern.")["correction"] == "In Bern."


def test_what_is_wrong_is_named(feedback: Run) -> None:
    rating = feedback("add", "run-1", "--rating", "9")
    assert rating.exit_code == 1
    assert "feedback.user_rating" in rating.stderr
    unknown = feedback("add", "run-2", "--rating", "1")
    assert unknown.exit_code == 1
    assert "no execution 'run-2'" in unknown.stderr


def test_nothing_is_not_feedback(feedback: Run) -> None:
    said = feedback("add", "run-1", "--annotator-id", "ann")
    assert said.exit_code == 1
    assert "nothing is said: give --rating" in said.stderr
    assert "No feedback." in feedback("ls").stderr


def test_a_run_that_is_not_known_can_be_allowed(feedback: Run) -> None:
    kept = shown(feedback, "add", "run-2", "--rating", "1", "--allow-unknown")
    assert (kept["execution_id"], kept["effects"]) == ("run-2", [])


def test_ls_filters_and_pages(feedback: Run) -> None:
    for who, rating in (("ann", "1"), ("bob", "5"), ("cy", "5")):
        shown(feedback, "add", "run-1", "--rating", rating, "--annotator-id", who)
    page = feedback("ls", "--verdict", "good", "--limit", "1", "--json")
    assert [f["annotator_id"] for f in json.loads(page.stdout)] == ["cy"]
    cursor = page.stderr.split("--cursor ")[1].strip()
    rest = shown(feedback, "ls", "--verdict", "good", "--cursor", cursor)
    assert [f["annotator_id"] for f in rest] == ["bob"]
    assert len(shown(feedback, "ls", "--execution", "run-1")) == 3
    assert shown(feedback, "ls", "--until", "2020-01-01") == []


def test_export_writes_json_lines(feedback: Run, tmp_path: Path) -> None:
    shown(feedback, "add", "run-1", "--rating", "1")
    path = tmp_path / "said.jsonl"
    done = feedback("export", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 feedbacks written" in done.stderr
    assert json.loads(path.read_text())["execution_id"] == "run-1"
    assert json.loads(feedback("export", "-", "--since", "1h").stdout)["verdict"] == "bad"
    assert feedback("export", "-", "--until", "1h").stdout == ""
