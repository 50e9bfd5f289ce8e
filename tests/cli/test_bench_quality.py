"""``cache-fabric bench quality`` and ``bench fow`` by their words."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric.cli.app import app
from cli.conftest import PLAIN
from evaluation import ROWS, write_data


def run(*args: object) -> Result:
    result = CliRunner().invoke(app, ["bench", *map(str, args)], env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pairs = [
        {
            "id": f"p{n}",
            "text_a": f"Where is shop {n}?",
            "text_b": f"Where is shop {n + same - 1}?",
            "same_answer": same,
            "category": "number_swap",
            "source": "test",
        }
        for n in range(1, 40)
        for same in (n % 2,)
    ]
    return write_data(tmp_path / "data", {"one": ROWS, "two": ROWS[:4]}, pairs)


def quality(data: Path, *more: object) -> Any:
    result = run("quality", "--data", data, "--jobs", "1", "--json", "-", *more)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_every_stream_budget_and_contender_has_a_row(data: Path) -> None:
    found = quality(data, "--contenders", "exact,static,vcache", "--deltas", "0.01,0.05")
    rows = [(row["stream"], row["delta"], row["contender"]) for row in found["rows"]]
    assert rows == [
        (stream, delta, contender)
        for stream in ("one", "two")
        for delta in (0.01, 0.05)
        for contender in ("exact", "static", "vcache")
    ]
    assert found["embedding_ms_p50"] > 0
    assert len(found["results"]) == 2 * (1 + 20 + 2)


def test_flipped_verdicts_are_rows_of_their_own(data: Path) -> None:
    found = quality(
        data, "--streams", "one", "--contenders", "exact,vcache", "--flip", "0,0.2", "--seeds", "2"
    )
    flips = [(row["flip"], row["contender"], row["seeds"]) for row in found["rows"]][:3]
    assert flips == [(0.0, "exact", 1), (0.0, "vcache", 2), (0.2, "vcache", 2)]


def test_people_see_a_table_and_find_the_json_in_a_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "quality.json"
    words = ("--streams", "one", "--contenders", "exact", "--deltas", "0.01", "--json", file)
    result = run("quality", "--data", data, "--jobs", "1", *words)
    assert result.exit_code == 0, result.stderr
    assert "33.3" in result.stdout
    assert "ok" in result.stdout
    assert len(json.loads(file.read_text())["rows"]) == 1


def test_plots_are_pictures(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    quality(
        data, "--streams", "one", "--contenders", "exact,static,vcache", "--plots", tmp_path / "p"
    )
    pictures = sorted((tmp_path / "p").iterdir())
    assert [p.name for p in pictures] == ["one_hits_errors.png", "one_running.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)


def test_plots_without_matplotlib_are_refused_before_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("quality", "--data", data, "--plots", tmp_path)
    assert result.exit_code == 1
    assert "pip install 'cache-fabric[notebook]'" in result.stderr


def test_what_cannot_run_here_is_skipped_by_name(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    result = run("quality", "--data", data, "--streams", "two", "--contenders", "gptcache")
    assert "skipped gptcache: not installed: gptcache, faiss-cpu, sqlalchemy" in result.stderr


def test_pairs_are_scored_by_half(data: Path) -> None:
    found = quality(data, "--pairs")["pairs"]
    assert [(each["scorer"], each["half"]) for each in found] == [
        ("cosine", 0),
        ("cosine", 1),
        ("guard, then cosine", 0),
        ("guard, then cosine", 1),
        ("the matcher", 0),
        ("the matcher", 1),
    ]
    assert all(each["false_hits"]["number"] == 0.0 for each in found[2:])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--streams", "three"), "streams: no 'three', expected some of one, two"),
        (("--contenders", "magic"), "contenders: no 'magic', expected some of exact"),
        (("--deltas", "2"), "deltas: expected shares"),
        (("--deltas", "few"), "deltas: expected numbers"),
        (("--flip", "-0.1"), "flip: expected shares"),
    ],
)
def test_bad_options_are_named(data: Path, more: tuple[str, ...], message: str) -> None:
    result = run("quality", "--data", data, *more)
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    result = run("quality", "--data", tmp_path)
    assert result.exit_code == 1
    assert "has no score.py" in result.stderr


def test_the_outsiders_pairs_go_both_ways_alike() -> None:
    pytest.importorskip("fow_cache", reason="the fow-cache package is not installed")
    result = run("fow", "--json", "--max-wrong", 1)
    assert result.exit_code == 0, result.stderr
    served = {each["name"]: each["served"] for each in json.loads(result.stdout)}
    assert served["threshold, alone"] == served["threshold, FabricCache"]
    assert {sum(count for _, count in one.values()) for one in served.values()} == {600}


def test_a_way_that_serves_too_many_traps_is_an_exit_code() -> None:
    pytest.importorskip("fow_cache", reason="the fow-cache package is not installed")
    assert run("fow", "--json", "--max-wrong", -1).exit_code == 1


def test_without_the_package_its_pairs_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fow_cache", None)
    result = run("fow")
    assert result.exit_code == 1
    assert "pip install fow-cache" in result.stderr
