"""Datasets: judged runs as lines of JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.errors import ValidationError
from judged.conftest import KEY, judged


@pytest.fixture
async def told(shop: CacheFabric, monkeypatch: pytest.MonkeyPatch) -> CacheFabric:
    """A fabric with judged runs, read two at a time."""
    monkeypatch.setattr("cache_fabric.datasets._PAGE", 2)
    await judged(shop, "good", 1, {"user_rating": 5})
    await judged(shop, "corrected", 2, {"correction": "better"}, tenant="acme")
    await judged(shop, "bad", 2, {"user_rating": 1})
    await judged(shop, "silent", 2, {"comment": "hm"})
    await judged(shop, "good again", 2, {"user_rating": 4})
    await shop.record_feedback("good", {"name": "second", "user_rating": 4, "comment": "still"})
    return shop


async def rows(fabric: CacheFabric, **filters: Any) -> list[dict[str, Any]]:
    file = io.StringIO()
    summary = await fabric.build_dataset(file, **filters)
    found = [json.loads(line) for line in file.getvalue().splitlines()]
    assert summary.rows == len(found) == sum(summary.splits.values())
    return found


async def test_a_run_is_one_row_where_it_was_judged_last(told: CacheFabric, tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    steps: list[tuple[int, int]] = []
    summary = await told.build_dataset(path, progress=lambda *step: steps.append(step))
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["execution_id"] for row in found] == ["good", "good again", "corrected"]
    assert [row["expected"] for row in found] == ["answer good", "answer good again", "better"]
    assert found[0]["comment"] == "still"
    assert found[2]["actual"] == "answer corrected"
    assert found[2]["contexts"] == [{"key": KEY, "version": 2}]
    assert summary.skipped == {
        "the answer was bad, and nobody said what is right": 1,
        "nobody said whether the answer was right": 1,
    }
    assert steps[-1] == (6, 6)


async def test_the_same_feedback_gives_the_same_bytes(told: CacheFabric, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    await told.build_dataset(one)
    await told.build_dataset(two)
    assert one.read_bytes() == two.read_bytes() != b""


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"context": f"{KEY}@1"}, ["good"]),
        ({"context": KEY}, ["good", "good again", "corrected"]),
        ({"tenant": "acme"}, ["corrected"]),
        ({"graph": "another"}, []),
        ({"verdict": "good"}, ["good", "good again"]),
        ({"verdict": "bad"}, ["corrected"]),
    ],
)
async def test_filters(told: CacheFabric, filters: dict[str, str], expected: list[str]) -> None:
    assert [row["execution_id"] for row in await rows(told, **filters)] == expected


async def test_the_same_input_is_never_in_two_splits(shop: CacheFabric) -> None:
    for number in range(30):
        state = {"input": f"Question {number % 10}", "output": "a"}
        await shop.track_execution(f"x-{number}", "g", state)
        await shop.record_feedback(f"x-{number}", {"match": True})
    found = await rows(shop, split={"train": 0.5, "test": 0.5})
    assert len(found) == 30
    places = {(row["input"], row["split"]) for row in found}
    assert len(places) == 10


async def test_a_run_that_is_gone_is_counted(told: CacheFabric) -> None:
    await told._run(lambda life: life.parts.store.documents.delete("x", ["good"]))
    summary = await told.build_dataset(io.StringIO())
    assert summary.skipped["the run is gone"] == 1


@pytest.mark.parametrize(
    ("field", "value"), [("split", {"train": 0.5}), ("verdict", "maybe"), ("split", None)]
)
async def test_what_is_wrong_is_named_before_anything_is_written(
    shop: CacheFabric, tmp_path: Path, field: str, value: Any
) -> None:
    path = tmp_path / "examples.jsonl"
    with pytest.raises(ValidationError, match=field):
        await shop.build_dataset(path, **{field: value})
    assert not path.exists()


def test_the_blocking_view_writes_the_same(fabric: CacheFabric, tmp_path: Path) -> None:
    fabric.sync.track_execution("x", "g", {"input": "q", "output": "a"})
    fabric.sync.record_feedback("x", {"match": True})
    summary = fabric.sync.build_dataset(tmp_path / "d.jsonl")
    assert (summary.rows, summary.skipped) == (1, {})
