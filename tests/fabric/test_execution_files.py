"""Executions in a file: nothing is lost on the way out and back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.records import Execution

LONG = "You are the support of a shop that sells tents. " * 20


async def fill(fabric: CacheFabric) -> None:
    """Track runs of every kind: whole, long, judged, finished with a gap, going on."""
    state = {"input": LONG, "output": 0.1 + 0.2, "cost": 0.25, "steps": [{"x": None}]}
    await fabric.track_execution("whole", "g", state, tags=["eu"], tenant="acme", user="ann")
    gap = fabric.start_execution("g", execution_id="gap", input="Where?", contexts=["router@3"])
    gap.step("tool", "0", output=LONG)
    gap.step("tool", "1", output=object())
    gap.step("tool", "2")
    gap.finish("there")
    going = fabric.start_execution("g", execution_id="going")
    going.step("tool", "0")
    await fabric.flush()
    await fabric.record_feedback("whole", {"user_rating": 5, "comment": LONG})
    await fabric.record_feedback("gap", {"status": "failure"})
    await fabric.record_feedback("gap", {"status": "correct"})


async def everything(fabric: CacheFabric) -> list[Execution | None]:
    names = [e.execution_id for e in await fabric.search_executions()]
    return [await fabric.get_execution(name) for name in names]


async def test_a_round_trip_loses_nothing(any_fabric: CacheFabric, tmp_path: Path) -> None:
    await fill(any_fabric)
    seen: list[tuple[int, int]] = []
    file = tmp_path / "runs.jsonl"
    assert await any_fabric.export_executions(file, progress=lambda *n: seen.append(n)) == 3
    assert seen[-1] == (3, 3)
    other = create_cache_fabric("memory", policy=ExactOnly())
    seen.clear()
    assert await other.import_executions(file, progress=lambda *n: seen.append(n)) == 3
    assert seen[-1] == (3, 3)
    kept = await everything(other)
    assert kept == await everything(any_fabric)
    assert [(e.complete, e.gaps) for e in kept if e] == [(False, ()), (False, (1,)), (True, ())]
    assert [e.execution_id for e in await other.search_executions(feedback="good")] == [
        "gap",
        "whole",
    ]
    again = tmp_path / "again.jsonl"
    await other.export_executions(again)
    assert again.read_bytes() == file.read_bytes()
    await other.import_executions(str(file))
    assert await everything(other) == kept
    await other.aclose()


async def test_only_what_was_asked_for_is_written(fabric: CacheFabric, tmp_path: Path) -> None:
    await fill(fabric)
    out = io.StringIO()
    assert await fabric.export_executions(out, tenant="acme", text="tents") == 1
    line = json.loads(out.getvalue())
    assert line["execution_id"] == "whole"
    assert line["format"] == "cache-fabric/execution/1"
    with pytest.raises(ValidationError) as caught:
        await fabric.export_executions(out, like="tents")
    assert caught.value.field == "like"


def line(**fields: Any) -> str:
    whole = {
        "format": "cache-fabric/execution/1",
        "execution_id": "a",
        "graph_name": "g",
        "state": {},
        "at": 1.5,
    }
    return json.dumps({**whole, **fields}) + "\n"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ("{", "object"),
        ("[]\n", "object"),
        ("\n", "object"),
        ('{"format": "cache-fabric/execution/1"}\n', "object"),
        (line(format="cache-fabric/execution/2"), "format"),
        (line(execution_id=5), "execution_id"),
        (line(execution_id=""), "execution_id"),
        (line(graph_name="a\nb"), "graph_name"),
        (line(state=[1]), "state"),
        (line(state={"x": "y" * 2**21}), "state"),
        (line(at="now"), "at"),
        (line(at=1e18), "at"),
        (line(at=-1.0), "at"),
        (line(events=10**12), "events"),
        (line(steps=[[10**12, {}]]), "steps[0][0]"),
        (line(tenant=""), "tenant"),
        (line(tags="eu"), "tags"),
        (line(steps=[[0]]), "steps[0]"),
        (line(feedback=[{"execution_id": "a"}]), "feedback[0]"),
    ],
)
async def test_a_bad_line_is_named_and_those_before_it_are_kept(
    fabric: CacheFabric, bad: str, field: str
) -> None:
    file = io.StringIO("".join(line(execution_id=f"{n}") for n in range(150)) + bad + line())
    with pytest.raises(ValidationError) as caught:
        await fabric.import_executions(file)
    assert caught.value.field == f"line 151, {field}"
    assert len(await fabric.search_executions(limit=1000)) == 150


async def test_a_file_that_is_not_there_is_told(fabric: CacheFabric, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await fabric.import_executions(tmp_path / "none.jsonl")


async def test_what_was_asked_in_a_file_is_found_by_meaning(fabric: CacheFabric) -> None:
    await fabric.import_executions(io.BytesIO(line(state={"input": "Where is it?"}).encode()))
    (near,) = await fabric.search_executions(like="Where is it?")
    assert near.execution_id == "a"
