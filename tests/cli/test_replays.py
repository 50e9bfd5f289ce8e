"""``executions replay`` and ``executions dataset``, on a folder of the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheRequest, Hit, Miss, create_cache_fabric
from cache_fabric.cli.app import app
from cli.conftest import KEY, PLAIN

OLD, NEW = "Be kind.", "Be very kind."
ANSWERS = {"Why?": "Because.", "Who?": "We.", "When?": "Soon."}
Executions = Callable[..., Result]


def asked(question: str, system: str) -> CacheRequest:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return CacheRequest(model="gpt-4o-mini", messages=messages)


@pytest.fixture
def executions(folder: Path) -> Executions:
    """Run ``cache-fabric executions ...`` on the folder."""

    def invoke(*args: str) -> Result:
        words = ["executions", args[0], "--fabric", str(folder), *args[1:]]
        result = CliRunner().invoke(app, words, env=PLAIN)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def kept(folder: Path) -> None:
    """Runs under the first version of a prompt, one of them judged, and a second version."""
    with create_cache_fabric("local", path=folder).sync as fabric:
        fabric.set_context(KEY, OLD)
        for question, answer in ANSWERS.items():
            missed = fabric.lookup(asked(question, OLD))
            assert isinstance(missed, Miss)
            fabric.store(missed.ticket, answer)
            state = {
                "input": question,
                "output": answer,
                "contexts": [{"key": KEY, "version": 1}],
            }
            fabric.track_execution(question, "g", state, answers=[missed])
        fabric.record_feedback("Why?", {"user_rating": 5})
        fabric.set_context(KEY, NEW)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A model that LiteLLM reaches; returns what it was asked."""
    calls: list[dict[str, Any]] = []

    async def acompletion(**call: Any) -> Any:
        calls.append(call)
        question = call["messages"][-1]["content"]
        if question == "When?":
            raise RuntimeError("overloaded")
        text = "You." if question == "Who?" else ANSWERS[question]
        message = SimpleNamespace(content=text, tool_calls=None)
        return SimpleNamespace(
            choices=[SimpleNamespace(message=message, finish_reason="stop")],
            usage=SimpleNamespace(prompt_tokens=10, completion_tokens=1),
        )

    fake = SimpleNamespace(acompletion=acompletion)
    monkeypatch.setattr("cache_fabric.cli._litellm_model._litellm", lambda: fake)
    return calls


REPLAY = ("replay", "--context", KEY, "--version", "2", "--model", "gpt-4o-mini")


@pytest.mark.usefixtures("kept")
def test_replay_shows_what_changed_and_carries_the_rest_over(
    executions: Executions, provider: list[dict[str, Any]], folder: Path
) -> None:
    result = executions(*REPLAY, "--carry-over")
    assert result.exit_code == 0
    assert sorted(call["messages"][-1]["content"] for call in provider) == sorted(ANSWERS)
    assert {call["messages"][0]["content"] for call in provider} == {NEW}
    shown = " ".join(result.stdout.split())
    assert "1 of 2 answers changed (50 %, 95 % interval 9 to 91 %); 1 carried over" in shown
    assert "We. \u2502 You. \u2502 changed" in shown
    assert "failed \u2502 RuntimeError: overloaded" in shown
    assert "Because." not in shown
    with create_cache_fabric("local", path=folder).sync as fabric:
        assert isinstance(fabric.lookup(asked("Why?", NEW)), Hit)
        assert isinstance(fabric.lookup(asked("Who?", NEW)), Miss)


@pytest.mark.usefixtures("kept")
def test_replay_as_json(executions: Executions, provider: list[dict[str, Any]]) -> None:
    result = executions(*REPLAY, "--json")
    assert provider
    report = json.loads(result.stdout)
    assert {row["question"]: row["verdict"] for row in report["rows"]} == {
        "Why?": "unchanged",
        "Who?": "changed",
        "When?": "failed",
    }
    assert report["changed_share"] == 0.5
    assert report["carried"] == 0


@pytest.mark.usefixtures("kept")
def test_a_dry_run_needs_no_model(executions: Executions) -> None:
    result = executions("replay", "--context", KEY, "--version", "2", "--dry-run")
    assert "3 answers would be asked for" in result.stdout


def test_a_replay_of_no_runs_says_so(executions: Executions, folder: Path) -> None:
    with create_cache_fabric("local", path=folder).sync as fabric:
        fabric.set_context(KEY, "Be kind.")
    result = executions("replay", "--context", KEY, "--version", "1", "--dry-run")
    assert "no run used" in result.stdout


@pytest.mark.usefixtures("kept")
def test_replay_names_what_is_missing(
    executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = executions("replay", "--context", KEY, "--version", "2")
    assert (without.exit_code, "--model" in without.stderr) == (1, True)
    unknown = executions("replay", "--context", KEY, "--version", "nope", "--model", "m")
    assert (unknown.exit_code, "no label 'nope'" in unknown.stderr) == (1, True)
    monkeypatch.setattr("cache_fabric.cli._litellm_model.find_spec", lambda _: None)
    missing = executions(*REPLAY)
    assert (missing.exit_code, "cache-fabric[litellm]" in missing.stderr) == (1, True)


@pytest.mark.usefixtures("kept")
def test_dataset_writes_examples(executions: Executions, tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    result = executions("dataset", str(path), "--split", "train=0.5", "--split", "test=0.5")
    assert "1 examples written" in result.stdout
    [row] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (row["input"], row["expected"], row["execution_id"]) == ("Why?", "Because.", "Why?")
    piped = executions("dataset", "-", "--split", "train=0.5", "--split", "test=0.5")
    assert piped.stdout == path.read_text()
    assert "1 examples written: " in piped.stderr
    summary = json.loads(executions("dataset", str(path), "--json").stdout)
    assert (summary["rows"], summary["skipped"]) == (1, {})


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("split", ["train", "train=x", "train=0.4"])
def test_a_split_that_is_none_is_refused(
    executions: Executions, tmp_path: Path, split: str
) -> None:
    result = executions("dataset", str(tmp_path / "d.jsonl"), "--split", split)
    assert (result.exit_code, "split" in result.stderr) == (1, True)


@pytest.mark.usefixtures("kept")
def test_a_file_that_cannot_be_written_is_named(executions: Executions, tmp_path: Path) -> None:
    result = executions("dataset", str(tmp_path / "no" / "d.jsonl"))
    assert (result.exit_code, "No such file" in result.stderr) == (1, True)
