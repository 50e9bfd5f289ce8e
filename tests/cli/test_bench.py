"""``cache-fabric bench``: by name, or all that measure time."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cache_fabric.bench.timing import Row
from cache_fabric.cli import bench
from cache_fabric.cli.app import app
from cli.conftest import PLAIN


@pytest.fixture(autouse=True)
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every benchmark measures nothing, at once."""
    for name in bench._BENCHMARKS:
        measure: Callable[[], list[Row]] = functools.partial(list, [Row(f"{name} row", 1.0, 2.0)])
        monkeypatch.setitem(bench._BENCHMARKS, name, measure)


def results(tmp_path: Path, *names: str) -> Any:
    words = ["bench", *names, "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, words, env=PLAIN)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "bench.json").read_text())
    return report["results"]


def test_without_a_name_all_that_measure_time_run(tmp_path: Path) -> None:
    assert list(results(tmp_path)) == list(bench._BENCHMARKS)


@pytest.mark.parametrize("name", list(bench._BENCHMARKS))
def test_a_name_runs_that_one(tmp_path: Path, name: str) -> None:
    assert [row["name"] for row in results(tmp_path, name)[name]] == [f"{name} row"]
    assert list(results(tmp_path, name)) == [name]


def test_an_unknown_name_is_refused() -> None:
    assert CliRunner().invoke(app, ["bench", "magic"], env=PLAIN).exit_code == 2
