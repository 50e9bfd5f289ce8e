"""Runs over a tiny stream of the test's own: every contender decides, is scored and summed up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cache_fabric.bench.quality.campaign import Plan, Result, run_all, run_task, tasks
from cache_fabric.bench.quality.contenders import CONTENDERS
from cache_fabric.bench.quality.fabric_run import run_fabric
from cache_fabric.bench.quality.streams import StreamFile, find_streams
from cache_fabric.bench.quality.summary import summarise
from cache_fabric.bench.quality.vectors import embed_stream
from cache_fabric.errors import ConfigurationError
from cache_fabric.policy import Threshold
from evaluation import DATA, ROWS, needs_data, write_data

HERE = [name for name in CONTENDERS if CONTENDERS[name].absent() is None]


@pytest.fixture
def file(tmp_path: Path) -> StreamFile:
    (found,) = find_streams(write_data(tmp_path / "data", {"tiny": ROWS}))
    return found


def run(file: StreamFile, *contenders: str, **more: object) -> list[Result]:
    plan = Plan(streams=[file], contenders=contenders, deltas=(0.01, 0.05), **more)  # type: ignore[arg-type]
    return list(run_all(tasks(plan), 1))


def test_a_contender_without_a_budget_runs_once_whatever_the_plan(file: StreamFile) -> None:
    plan = Plan(
        streams=[file],
        contenders=["exact", "vcache"],
        deltas=(0.01, 0.02),
        flips=(0.0, 0.2),
        seeds=(1, 2),
    )
    planned = [(t.contender, t.deltas, t.flip, t.seed) for t in tasks(plan)]
    assert planned[0] == ("exact", (), 0.0, 1)
    assert planned[1:] == [
        ("vcache", (0.01, 0.02), flip, seed) for flip in (0.0, 0.2) for seed in (1, 2)
    ]


def test_exact_serves_the_repeats_and_nothing_else(file: StreamFile) -> None:
    (result,) = run(file, "exact")
    assert result.figures["hit_rate"] == pytest.approx(2 / 6)
    assert result.figures["exact_recall"] == 1.0
    assert result.figures["error_rate"] == 0.0
    assert sum(result.tiers.values()) == 2
    assert "semantic" not in result.tiers


def test_the_threshold_serves_a_paraphrase_by_meaning_and_refuses_the_trap(
    file: StreamFile,
) -> None:
    (result,) = run(file, "threshold")
    assert result.figures["hit_rate"] == pytest.approx(3 / 6)
    assert result.tiers["semantic"] == 1
    assert result.figures["error_rate"] == 0.0


def test_a_sweep_has_a_result_for_each_threshold(file: StreamFile) -> None:
    results = run(file, "static")
    assert [result.variant for result in results] == [f"{n / 100:.2f}" for n in range(80, 100)]
    hits = [result.figures["hit_rate"] for result in results]
    assert hits == sorted(hits, reverse=True)
    assert all(result.figures["exact_recall"] == 1.0 for result in results)


@pytest.mark.parametrize("contender", HERE)
def test_every_contender_decides_every_row(file: StreamFile, contender: str) -> None:
    ticks: list[int] = []
    plan = Plan(streams=[file], contenders=[contender], deltas=(0.01, 0.05))
    for task in tasks(plan):
        assert all(result.figures["requests"] == 6 for result in run_task(task, ticks.append))
    assert sum(ticks) == 6 * len(tasks(plan))


def test_a_cut_stream_is_scored_as_far_as_it_goes(file: StreamFile) -> None:
    (result,) = run(replace(file, limit=2), "exact")
    assert result.figures["requests"] == 2


def test_tenants_share_nothing(tmp_path: Path) -> None:
    rows = [{**row, "scope": f"shop {n % 2}"} for n, row in enumerate([*ROWS[:2], *ROWS[:2]])]
    (file,) = find_streams(write_data(tmp_path / "data", {"two": rows}))
    for result in run(file, "exact", "threshold", "static"):
        assert result.figures["hit_rate"] == 0.5


def test_a_text_without_a_vector_is_a_miss(file: StreamFile) -> None:
    stream = file.read()
    vectors = embed_stream("wordllama", stream.texts)
    vectors[2] = 0.0
    decisions = run_fabric(stream, vectors, Threshold(), embedder="wordllama")
    assert [decision["hit"] for decision in decisions] == [0, 1, 0, 0, 1, 0]


def test_processes_find_what_one_process_finds(file: StreamFile) -> None:
    plan = Plan(streams=[file], contenders=["exact", "vcache"], deltas=(0.01, 0.05))
    rows: list[int] = []

    def told(results: list[Result]) -> list[tuple[object, ...]]:
        return sorted((r.contender, r.delta or 0, r.figures["hit_rate"]) for r in results)

    alone = list(run_all(tasks(plan), 1))
    together = list(run_all(tasks(plan), 2, rows.append))
    assert told(together) == told(alone)
    assert sum(rows) == 12


def test_the_summary_takes_the_best_threshold_and_the_worst_seed(file: StreamFile) -> None:
    (base,) = run(file, "exact")

    def result(contender: str, hits: float, error: float, **more: object) -> Result:
        figures = {**base.figures, "hit_rate": hits, "error_rate": error}
        return replace(base, contender=contender, figures=figures, **more)  # type: ignore[arg-type]

    rows = summarise(
        [
            result("static", 0.9, 0.04, variant="0.80"),
            result("static", 0.6, 0.008, variant="0.90"),
            result("static", 0.3, 0.001, variant="0.95"),
            result("vcache", 0.2, 0.004, delta=0.01, seed=1),
            result("vcache", 0.4, 0.012, delta=0.01, seed=2),
        ],
        (0.01, 0.0001),
    )
    assert [(row.delta, row.contender, row.variant) for row in rows] == [
        (0.01, "static", "0.90"),
        (0.01, "vcache", ""),
        (0.0001, "static", "0.95"),
    ]
    vcache = rows[1]
    assert vcache.hit_rate == pytest.approx(0.3)
    assert vcache.seeds == 2
    assert vcache.worst["hit_rate"] == 0.2
    assert vcache.short == ["error over by 0.20"]


def test_the_whole_prompt_is_dumped_as_langchain_dumps_it(
    file: StreamFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = pytest.importorskip("langchain_core.load")
    messages = pytest.importorskip("langchain_core.messages")
    embedded: list[str] = []

    def embed(_: str, texts: list[str]) -> object:
        embedded.extend(texts)
        return embed_stream("wordllama", texts)

    monkeypatch.setattr("cache_fabric.bench.quality.contenders.embed_stream", embed)
    run(file, "langchain")
    assert embedded[0] == load.dumps([messages.HumanMessage(ROWS[0]["text"])])


def test_an_unknown_stream_is_refused(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", {"tiny": ROWS})
    with pytest.raises(ConfigurationError, match="no 'huge', expected some of tiny"):
        find_streams(folder, ["huge"])


@needs_data
def test_no_contender_of_ours_crosses_a_scope_of_the_real_data() -> None:
    (file,) = find_streams(DATA, ["dbqa_zipf"], 1500)
    by_contender = {result.contender: result for result in run(file, "exact", "threshold")}
    for result in by_contender.values():
        assert result.figures["exact_recall"] > 0.99
    assert by_contender["exact"].figures["error_rate"] == 0.0
