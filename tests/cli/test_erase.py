"""``cache-fabric erase``, and ``answers export`` and ``import``, on folders of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheRequest, Hit, create_cache_fabric
from cache_fabric.cli.app import app
from cache_fabric.indexes._folder_lock import FolderLock
from cache_fabric.sync import SyncCacheFabric
from cli.conftest import PLAIN

Run = Callable[..., Result]


def request(question: str, **more: Any) -> CacheRequest:
    messages = [{"role": "user", "content": question}]
    return CacheRequest(model="gpt-4o-mini", messages=messages, **more)


MINE, OTHERS = request("Hello?", user="alice"), request("Open?", user="bob")


@pytest.fixture
def opened(folder: Path) -> Iterator[SyncCacheFabric]:
    with create_cache_fabric("local", path=folder).sync as fabric:
        for one in (MINE, OTHERS):
            fabric.get_or_call(one, lambda: "Hello.")
        yield fabric


def invoke(*words: str, given: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(app, words, given, env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def kept(folder: Path) -> list[bool]:
    with create_cache_fabric("local", path=folder, index="memory").sync as fabric:
        return [isinstance(fabric.lookup(one), Hit) for one in (MINE, OTHERS)]


def test_a_receipt_says_what_is_erased_and_what_remains(
    opened: SyncCacheFabric, folder: Path
) -> None:
    opened.close()
    where = ("--fabric", str(folder))
    result = invoke("erase", "--user", "alice", "--yes", "--json", *where)
    assert (result.exit_code, result.stderr) == (0, "")
    receipt = json.loads(result.stdout)
    counted = {place["name"]: place["count"] for place in receipt["places"]}
    assert (counted["answers"], counted["vectors"]) == (1, 1)
    assert receipt["complete"] is True
    assert any("backups" in one["what"] for one in receipt["remaining"])
    assert kept(folder) == [False, True]
    table = invoke("erase", "--user", "alice", "--yes", *where).stdout
    assert "deleted bytes" in table
    assert "backups" in table


def test_it_asks_before_and_a_dry_run_erases_nothing(opened: SyncCacheFabric, folder: Path) -> None:
    opened.close()
    where = ("--user", "alice", "--fabric", str(folder))
    refused = invoke("erase", *where, given="n\n")
    assert refused.exit_code == 1
    assert "Erase 1 answers" in refused.stderr
    assert "counted" in invoke("erase", "--dry-run", *where).stdout
    assert kept(folder) == [True, True]
    assert invoke("erase", *where, given="y\n").exit_code == 0
    assert kept(folder) == [False, True]


def test_what_could_not_be_erased_is_shown_and_is_a_failure(
    opened: SyncCacheFabric, folder: Path
) -> None:
    opened.close()
    where = ("--user", "alice", "--yes", "--fabric", str(folder))
    lock = FolderLock(folder / "chroma")  # as an application has it
    result = invoke("erase", *where, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["complete"] is False
    assert "vectors: failed" in result.stderr
    assert "in use" in result.stderr
    lock.release()
    assert invoke("erase", *where).exit_code == 0


def test_nobody_is_refused(folder: Path) -> None:
    result = invoke("erase", "--yes", "--fabric", str(folder))
    assert result.exit_code == 1
    assert "expected a user or a tenant" in result.stderr


@pytest.mark.parametrize("stream", [True, False])
def test_answers_go_to_another_folder(
    opened: SyncCacheFabric, folder: Path, tmp_path: Path, stream: bool
) -> None:
    opened.close()
    other = tmp_path / "other"
    file = tmp_path / "answers.jsonl"
    place = "-" if stream else str(file)
    out = invoke("answers", "export", place, "--user", "alice", "--fabric", str(folder))
    assert out.exit_code == 0
    assert "1 answer written" in out.stderr
    given = out.stdout_bytes if stream else None
    back = invoke("answers", "import", place, "--fabric", str(other), given=given)
    assert (back.exit_code, "1 answer kept" in back.stderr) == (0, True)
    assert kept(other) == [True, False]


def test_a_file_that_is_not_there_or_not_ours_is_named(folder: Path, tmp_path: Path) -> None:
    missing, other = tmp_path / "missing", tmp_path / "other"
    other.write_text("{}")
    for path, named in ((missing, "No such file"), (other, "format: expected")):
        result = invoke("answers", "import", str(path), "--fabric", str(folder))
        assert result.exit_code == 1
        assert named in result.stderr
