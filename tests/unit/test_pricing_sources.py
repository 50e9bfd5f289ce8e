"""Where prices come from: an installed litellm's map, the shipped snapshot, read once and late."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import msgspec
import pytest

from cache_fabric import pricing
from cache_fabric.pricing import PriceTable, packaged_map, shipped_snapshot
from cache_fabric.pricing_snapshot import snapshot
from cache_fabric.types import Usage

ROW = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}


def install(monkeypatch: pytest.MonkeyPatch, folder: Path | None, content: str = "") -> None:
    """Make ``litellm`` a package in this folder with this model map, or not installed."""
    spec = None
    if folder is not None:
        (folder / "model_prices_and_context_window_backup.json").write_text(content)
        spec = ModuleSpec("litellm", None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_the_map_of_an_installed_litellm_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, json.dumps({"only-there": ROW}))
    assert PriceTable.load().find("only-there") is not None


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}"])
def test_a_map_that_cannot_be_read_gives_way_to_the_snapshot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    install(monkeypatch, tmp_path, content)
    assert PriceTable.load().find("gpt-4o-mini") is not None


def test_without_litellm_the_snapshot_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    usage = Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=800)
    assert PriceTable.load().cost_micros("gpt-4o-mini", usage) == 90


def test_the_real_map_prices_gpt_4o_mini_without_importing_litellm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    rows = packaged_map()
    assert rows is not None
    usage = Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=800)
    assert PriceTable.load(read=lambda: rows).cost_micros("gpt-4o-mini", usage) == 90
    assert "litellm" not in sys.modules


def test_every_model_of_the_snapshot_has_a_price() -> None:
    rows = shipped_snapshot()
    prices = PriceTable.load(read=lambda: rows)
    assert len(rows) >= 60
    assert [name for name in rows if prices.find(name) is None] == []


def test_the_snapshot_says_where_it_is_from() -> None:
    header = json.loads(Path(pricing.__file__).with_name("prices.json").read_bytes())
    assert header["source"].startswith("litellm 1.")
    assert "MIT" in header["licence"]
    assert header["date"].startswith("20")


def test_a_renewed_snapshot_is_a_snapshot() -> None:
    renewed = msgspec.json.decode(snapshot(), type=dict[str, msgspec.Raw])
    models = msgspec.json.decode(renewed["models"], type=dict[str, msgspec.Raw])
    assert models
    assert models.keys() <= shipped_snapshot().keys()
    usage = Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=800)
    assert PriceTable.load(read=lambda: models).cost_micros("gpt-4o-mini", usage) == 90


def test_nothing_is_read_before_the_first_question() -> None:
    def read() -> dict[str, msgspec.Raw]:
        raise AssertionError

    PriceTable.load({"m": ROW}, read)


def test_threads_that_ask_at_once_read_once() -> None:
    reads: list[threading.Thread] = []
    read_twice = threading.Event()

    def read() -> dict[str, msgspec.Raw]:
        reads.append(threading.current_thread())
        if len(reads) > 1:
            read_twice.set()
        read_twice.wait(0.2)
        return {}

    prices = PriceTable.load(read=read)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(prices.find, ["m"] * 2))
    assert len(reads) == 1


def test_a_model_names_who_sells_it() -> None:
    table = PriceTable.load()
    assert table.provider("gpt-4o-mini") == "openai"
    assert table.provider("openai/gpt-4o-mini-2030-01-01") == "openai"
    assert table.provider("ollama/gpt-4o") is None
    assert table.provider("no such model") is None
