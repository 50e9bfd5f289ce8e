"""Figures over time, by the minutes and hours that all processes keep, with a clock of the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, Miss, Usage, create_cache_fabric
from cache_fabric.errors import ValidationError

NOON = 1_750_000_000 // 86_400 * 86_400 + 43_200
USAGE = Usage(input_tokens=900, output_tokens=100)
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
Turn = Callable[[float], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Sets the clock of the figures to so many seconds after noon."""

    def turn(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: NOON + seconds)

    turn(0)
    return turn


def made(folder: Path) -> CacheFabric:
    store = f"sqlite:///{folder / 'fabric.db'}"
    fabric = create_cache_fabric("memory", store=store, prices={"m": PRICE})
    fabric._metrics._clock = fabric._life().sums._clock = lambda: time.time()
    return fabric


async def ask(fabric: CacheFabric, question: str, times: int) -> None:
    request = CacheRequest(model="m", messages=[{"role": "user", "content": question}])
    for _ in range(times):
        found = await fabric.lookup(request)
        if isinstance(found, Miss):
            await fabric.store(found.ticket, "Yes.", usage=USAGE)


async def two_processes(folder: Path, at: Turn) -> CacheFabric:
    """One that asked in two minutes and ended, one that asked in the second and an hour later."""
    async with made(folder) as first:
        await ask(first, "One?", 3)
        at(125)
        await ask(first, "One?", 2)
        second = made(folder)
        await ask(second, "Two?", 4)
    at(3700)
    await ask(second, "Two?", 1)
    await second._run(lambda life: life.sums.write())
    return second


async def test_a_row_a_minute_over_all_processes(tmp_path: Path, at: Turn) -> None:
    second = await two_processes(tmp_path, at)
    rows = await second.get_metrics_series("62m")
    await second.aclose()
    assert [row["at"] for row in rows] == [NOON - 60 + 60 * n for n in range(63)]
    assert {row["seconds"] for row in rows} == {60}
    busy = {(row["at"] - NOON) // 60: row for row in rows if row["requests"]}
    assert {minute: (row["hits"], row["misses"]) for minute, row in busy.items()} == {
        0: (2, 1),
        2: (5, 1),  # two of the process that has ended, and three of the other after its miss
        61: (1, 0),
    }
    assert busy[2]["cost_saved"] == 0.005
    idle = rows[2]
    assert (idle["requests"], idle["hit_rate"], idle["cost_saved"]) == (0, None, None)
    assert {row["scope"] for row in rows} == {"fabric"}


async def test_a_row_an_hour_for_longer(tmp_path: Path, at: Turn) -> None:
    second = await two_processes(tmp_path, at)
    rows = await second.get_metrics_series()
    whole = await second.get_metrics()
    await second.aclose()
    assert [row["at"] for row in rows] == [NOON - 23 * 3600 + 3600 * n for n in range(25)]
    assert {row["at"] - NOON: row["hits"] for row in rows if row["requests"]} == {0: 7, 3600: 1}
    assert sum(row["hits"] for row in rows) == whole["hits"]


async def test_the_rows_of_a_window_add_up_to_its_figures(tmp_path: Path, at: Turn) -> None:
    second = await two_processes(tmp_path, at)
    for window in ("1m", "59m", "1h", "2h", "3h", "4h", "24h"):
        rows, found = await second.get_metrics_series(window), await second.get_metrics(window)
        if rows[0]["seconds"] == 60:
            assert rows[0]["at"] == found["since"]
        else:
            assert 0 <= found["since"] - rows[0]["at"] < 3600
        assert sum(row["requests"] for row in rows) == found["requests"]
    await second.aclose()


async def test_a_closed_fabric_tells_of_its_own_process(tmp_path: Path, at: Turn) -> None:
    fabric = made(tmp_path)
    await ask(fabric, "One?", 2)
    await fabric.aclose()
    rows = await fabric.get_metrics_series("1m")
    assert [(row["hits"], row["scope"]) for row in rows] == [(0, "process"), (1, "process")]


async def test_a_frame_has_the_time_as_its_index(tmp_path: Path, at: Turn) -> None:
    pandas = pytest.importorskip("pandas")
    second = await two_processes(tmp_path, at)
    frame = await second.metrics_frame("62m")
    await second.aclose()
    assert str(frame.index.dtype.tz) == "UTC"
    assert frame.index[1] == pandas.Timestamp(NOON, unit="s", tz="UTC")
    assert frame["hits"].sum() == 8
    assert frame["cost_saved"].sum() == pytest.approx(0.008)
    assert pandas.isna(frame["hit_rate"].iloc[2])
    assert frame["latency.hot.count"].sum() == 8


async def test_a_frame_may_have_a_row_for_each_name(tmp_path: Path, at: Turn) -> None:
    pytest.importorskip("pandas")
    second = await two_processes(tmp_path, at)
    models, tiers = await second.metrics_frame(by="model"), await second.metrics_frame(by="tier")
    tags: Any = await second.metrics_frame("1m", by="tag")
    await second.aclose()
    assert list(models.index) == ["m"]
    assert models.loc["m", "hits"] == 8
    assert set(tiers.index) == {"hot", "miss"}
    assert tags.empty


async def test_what_is_none_is_refused(tmp_path: Path) -> None:
    async with made(tmp_path) as fabric:
        with pytest.raises(ValidationError, match="window"):
            await fabric.get_metrics_series("1w")
        with pytest.raises(ValidationError, match="by"):
            await fabric.metrics_frame(by="user")
