"""``cache-fabric stats`` by its words: windows, rows by name, JSON, and going on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import (
    CacheOptions,
    CacheRequest,
    ExactOnly,
    Threshold,
    Usage,
    create_cache_fabric,
)
from cache_fabric.cli.app import app
from cache_fabric.errors import BackendTimeout
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.kept_sums import KeptSums
from cli.conftest import PLAIN


def run(*args: object) -> Result:
    result = CliRunner().invoke(app, ["stats", *(str(arg) for arg in args)], env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def shown(*args: object) -> Any:
    """Run the command with ``--json``; it must work; return its document."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with one answer that was hit three times by two tenants' graphs, and a context."""
    made = create_cache_fabric(
        "local", path=tmp_path, index="memory", policy=ExactOnly(), prices={"m-1": PRICE}
    )
    with made.sync as fabric:
        fabric.set_context("router:prompt", "Be kind.")
        for tenant, graph, hits in (("acme", "support", 2), ("[b]umbrella", "sales", 1)):
            request = CacheRequest(
                model="m-1",
                messages=[{"role": "user", "content": "Hello?"}],
                tenant=tenant,
                options=CacheOptions(graph=graph),
            )
            found: Any = fabric.lookup(request)
            fabric.store(found.ticket, "Hello.", usage=Usage(input_tokens=90, output_tokens=10))
            for _ in range(hits):
                fabric.lookup(request)
    return tmp_path


PRICE = {"input_cost_per_token": 1e-5, "output_cost_per_token": 1e-5}


def test_it_tells_what_is_kept_and_measured(kept: Path) -> None:
    found = shown("--fabric", kept)
    assert (found["answers"], found["contexts"]) == ({"m-1": 2}, 1)
    assert (found["metrics"]["requests"], found["metrics"]["hit_rate"]) == (5, 60.0)
    assert (found["window"], found["metrics"]["since"]) == (None, None)


def test_it_shows_a_table_to_people(kept: Path) -> None:
    table = run("--fabric", kept).stdout
    for text in ("60.0 % (", "m-1", "$0.003000", "answers kept"):
        assert text in table


def test_a_window_is_looked_at_alone(kept: Path) -> None:
    found = shown("--fabric", kept, "--window", "15m")
    assert found["metrics"]["requests"] == 5
    assert time.time() - 960 <= found["metrics"]["since"] <= time.time() - 900
    assert "the last 15m" in run("--fabric", kept, "--window", "15m").stdout


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", ["m-1"]),
        ("tenant", ["acme", "[b]umbrella"]),
        ("graph", ["support", "sales"]),
        ("tag", []),
        ("context", []),
        ("tier", ["hot", "miss"]),
    ],
)
def test_rows_are_told_by_name(kept: Path, by: str, names: list[str]) -> None:
    found = shown("--fabric", kept, "--by", by, "--window", "1h")
    assert (found["by"], found["scope"], found["window"]) == (by, "fabric", "1h")
    assert [row["name"] for row in found["rows"]] == names
    table = run("--fabric", kept, "--by", by).stdout
    assert all(name in table for name in names)


def test_the_rows_of_tenants_say_what_each_saved(kept: Path) -> None:
    acme, other = shown("--fabric", kept, "--by", "tenant")["rows"]
    assert (acme["lookups"], acme["hits"], acme["cost_avoided"]) == (3, 2, 0.002)
    assert (other["lookups"], other["hits"], other["cost_avoided"]) == (2, 1, 0.001)
    shows = run("--fabric", kept, "--by", "tenant").stdout.splitlines()
    (line,) = (text for text in shows if "acme" in text)
    assert "66.7 %" in line
    assert "$0.002000" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--window", "1w"), "window: expected"), (("--by", "user"), "by: expected model")],
)
def test_what_it_cannot_show_is_refused(kept: Path, words: tuple[str, str], message: str) -> None:
    for more in ((), ("--json",), ("--watch",)):
        result = run("--fabric", kept, *words, *more)
        assert (result.exit_code, result.stdout.strip()) == (1, "")
        assert message in result.stderr


@pytest.fixture
def thrice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the third pause."""
    pauses = iter((1, 2))

    def pause(seconds: float) -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("cache_fabric.cli.stats.time.sleep", pause)


@pytest.mark.usefixtures("thrice")
def test_it_goes_on_until_it_is_interrupted(kept: Path) -> None:
    result = run("--fabric", kept, "--watch", "--by", "tenant")
    assert result.exit_code == 0
    assert result.stdout.count("acme") == 3  # a pipe has one table after the other


@pytest.mark.parametrize("more", [(), ("--json",), ("--by", "model"), ("--watch",)])
def test_figures_of_the_command_itself_are_not_shown_for_those_of_the_fabric(
    kept: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    async def slow(_: KeptSums) -> Totals:
        raise BackendTimeout("store", "sums", "no answer")

    monkeypatch.setattr(KeptSums, "total", slow)
    result = run("--fabric", kept, *more)
    assert (result.exit_code, result.stdout.strip()) == (1, "")
    assert "the store did not give the figures in time" in result.stderr


@pytest.mark.usefixtures("thrice")
def test_going_on_as_json_is_a_line_each_time(kept: Path) -> None:
    result = run("--fabric", kept, "--watch", "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["metrics"]["requests"] for line in lines] == [5, 5, 5]


def test_it_shows_what_the_shadow_would_have_done(tmp_path: Path) -> None:
    ask = CacheRequest(model="m", messages=[{"role": "user", "content": "Where is my order?"}])
    again = CacheRequest(model="m", messages=[{"role": "user", "content": "Where is my order"}])
    made = create_cache_fabric(
        "local", path=tmp_path, index="memory", policy=ExactOnly(), shadow=Threshold(0.7)
    )
    with made.sync as fabric:
        for request in (ask, again):
            fabric.get_or_call(request, lambda: "On its way.")
    assert "1 of 2" in run("--fabric", tmp_path).stdout
    assert shown("--fabric", tmp_path)["metrics"]["shadow"]["right"] == 100.0
