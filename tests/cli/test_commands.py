"""``cache-fabric demo`` and ``doctor`` by their words: figures, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheRequest, create_cache_fabric
from cache_fabric.cli.app import app
from cache_fabric.indexes._folder_lock import FolderLock
from cli.conftest import PLAIN

ROWS = [
    ("How do I return a shoe?", "return"),
    ("How do I return a shoe?", "return"),
    ("What is the capital of Peru?", "peru"),
]


def run(*args: object) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def shown(*args: object) -> Any:
    """Run a command with ``--json`` that must work, and return its document."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """A labelled stream of one answer asked twice, and another."""
    file = tmp_path / "stream.jsonl"
    file.write_text("".join(json.dumps({"text": t, "class": c}) + "\n" for t, c in ROWS))
    return file


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with one answer, one context and one miss and one hit counted."""
    folder = tmp_path / "kept"
    request = CacheRequest(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello?"}])
    with create_cache_fabric("local", path=folder).sync as fabric:
        fabric.set_context("router:prompt", "Be kind.")
        for _ in range(2):
            fabric.get_or_call(request, lambda: "Hello.")
    return folder


def demo(tmp_path: Path, *more: object) -> tuple[object, ...]:
    return ("demo", "--headless", "--latency", "0", "--path", tmp_path / "answers", *more)


def test_the_demo_counts_every_request_once(tmp_path: Path) -> None:
    result = shown(*demo(tmp_path))
    assert result["requests"] == 300
    hits = result["exact_hits"] + result["semantic_hits"]
    assert hits + result["model_calls"] == 300
    assert result["exact_hits"] > 0
    assert result["wrong_hits"] == len(result["wrong"])


def test_the_demo_runs_a_labelled_stream(tmp_path: Path, stream: Path) -> None:
    result = shown(*demo(tmp_path), "--data", stream, "--requests", "0")
    assert (result["requests"], result["exact_hits"], result["model_calls"]) == (3, 1, 2)
    assert result["simulated"] is True


def test_a_second_run_of_the_demo_starts_warm_unless_fresh(tmp_path: Path, stream: Path) -> None:
    words = (*demo(tmp_path), "--data", stream, "--requests", "0")
    assert shown(*words)["answers_at_start"] == 0
    warm = shown(*words)
    assert (warm["model_calls"], warm["tokens_spent"]) == (0, 0)  # of this run, not of both
    fresh = shown(*words, "--fresh")
    assert (fresh["answers_at_start"], fresh["model_calls"]) == (0, 2)


def test_the_demo_shows_a_table_to_people(tmp_path: Path, stream: Path) -> None:
    result = run(*demo(tmp_path), "--data", stream, "--requests", "0")
    assert result.exit_code == 0
    assert "What the cache did" in result.stdout
    assert str(tmp_path / "answers") in result.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.txt", "", "expected a .jsonl or .jsonl.gz file"),
        ("bad.jsonl", "{", "line 1: invalid JSON"),
        ("bad.jsonl", '{"text": "x"}', "field 'class': is missing"),
        ("bad.jsonl", "", "expected at least one row"),
    ],
)
def test_a_stream_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    result = run(*demo(tmp_path), "--data", tmp_path / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_the_demo_refuses_too_few_requests(tmp_path: Path) -> None:
    result = run(*demo(tmp_path), "--requests", "3")
    assert result.exit_code == 1
    assert "expected at least" in result.stderr


def test_doctor_finds_all_well(kept: Path) -> None:
    findings = {finding["check"]: finding for finding in shown("doctor", "--fabric", kept)}
    assert findings["store"] == {"check": "store", "ok": True, "detail": "1 answers, 1 contexts"}
    assert findings["index and embedder"]["ok"] is True
    assert findings["meaning"]["ok"] is True


def test_doctor_fails_on_a_store_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "fabric.db").write_bytes(b"no database" * 1000)
    result = run("doctor", "--fabric", tmp_path, "--json")
    assert result.exit_code == 1
    store = next(f for f in json.loads(result.stdout) if f["check"] == "store")
    assert store["ok"] is False


@pytest.mark.parametrize("command", ["stats", "doctor"])
def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    result = run(command, "--fabric", tmp_path / "file")
    assert result.exit_code == 1
    assert "is a file" in (result.stderr if command == "stats" else result.stdout)


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_FABRIC_TYPO", "1")
    result = run("stats")
    assert result.exit_code == 1
    assert "CACHE_FABRIC_TYPO: unknown" in result.stderr


def test_reindex_fills_a_lost_index_and_says_so(kept: Path) -> None:
    shutil.rmtree(kept / "chroma")
    done = run("reindex", "--fabric", kept)
    assert (done.exit_code, done.stdout) == (0, "1 of 1 answers are found by meaning now.\n")
    assert "1/1" in done.stderr
    assert shown("reindex", "--fabric", kept)["indexed"] == 1


def test_reindex_of_a_folder_in_use_says_who_uses_it(kept: Path) -> None:
    lock = FolderLock(kept / "chroma")
    try:
        done = run("reindex", "--fabric", kept)
    finally:
        lock.release()
    assert done.exit_code == 1
    assert "is in use by process" in done.stderr


def test_a_named_place_takes_its_secret_from_the_environment(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_FABRIC_STORE", "memory")
    assert len(shown("answers", "ls", "--fabric", kept)) == 1
    monkeypatch.setenv("CACHE_FABRIC_SECRET", "another")
    assert "made under another secret" in run("answers", "ls", "--fabric", kept).stderr


def test_a_url_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("executions", "ls", "--fabric", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_the_command_too() -> None:
    command = [sys.executable, "-m", "cache_fabric", "--help"]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "executions" in said.stdout
