"""``contexts score``, ``guard`` and the like: what feedback says of versions, by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache_fabric import create_cache_fabric
from cli.conftest import KEY, Done


@pytest.fixture
def judged(folder: Path) -> None:
    """Two versions, and feedback on both."""
    with create_cache_fabric("local", path=folder, index="memory").sync as fabric:
        for text in ("one", "two"):
            fabric.set_context(KEY, text)
        for version in (1, 2):
            fabric.label_context(KEY, "production", version, force=True)
        for number in range(6):
            version = 1 + number % 2
            state = {"input": f"q{number}", "contexts": [{"key": KEY, "version": version}]}
            fabric.track_execution(f"x-{number}", "g", state)
            fabric.record_feedback(f"x-{number}", {"user_rating": 5 if version == 1 else 1})


@pytest.mark.usefixtures("judged")
def test_score_shows_each_version_newest_first(done: Done) -> None:
    scores = json.loads(done("score", KEY, "--json"))
    assert [(s["version"], s["count"], s["good"], s["bad"], s["mean"]) for s in scores] == [
        (2, 3, 0, 3, 0.0),
        (1, 3, 3, 0, 1.0),
    ]
    shown = done("score", KEY)
    assert "0 to 56 %" in shown
    assert "44 to 100 %" in shown
    assert json.loads(done("score", KEY, "--since", "2100-01-01", "--json")) == []
    assert done("score", KEY, "--since", "1h") == shown


def test_score_says_when_there_is_nothing(run: Done) -> None:
    result = run("score", KEY)
    assert (result.exit_code, result.stdout) == (0, "")  # type: ignore[attr-defined]
    assert "No feedback" in result.stderr  # type: ignore[attr-defined]


@pytest.mark.usefixtures("judged")
def test_a_guard_is_set_shown_and_taken_away(done: Done, refused: Done, folder: Path) -> None:
    assert "(only noted)" in done("guard", KEY, "production")
    done("guard", KEY, "production", "--minimum", "3", "--live", "--metric", "good")
    with create_cache_fabric("local", path=folder, index="memory").sync as fabric:
        for number in range(3):
            state = {"contexts": [{"key": KEY, "version": 2}]}
            fabric.track_execution(f"y-{number}", "g", state)
            fabric.record_feedback(f"y-{number}", {"match": False})
    [guard] = json.loads(done("guards", "--json"))
    assert (guard["label"], guard["metric"], guard["dry_run"]) == ("production", "good", False)
    assert (guard["fired"]["from_version"], guard["fired"]["to_version"]) == (2, 1)
    shown = done("guards")
    assert "moved 2 -> 1: share of good feedback of version 2 is 0.00" in " ".join(shown.split())
    assert done("get", KEY, "--label", "production") == "one"
    assert "not guarded any more" in done("unguard", KEY, "production")
    assert "no guard" in refused("unguard", KEY, "production")


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nope",), "no label 'nope'"),
        (("production", "--bound", "7"), "bound"),
        (("production", "--minimum", "0"), "minimum"),
    ],
)
def test_a_guard_that_cannot_be_is_refused(
    refused: Done, options: tuple[str, ...], message: str
) -> None:
    assert message in refused("guard", KEY, *options)
