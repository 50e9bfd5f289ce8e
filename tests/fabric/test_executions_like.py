"""Executions are found by what their questions mean, and their vectors pass for nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    create_cache_fabric,
)
from cache_fabric import execution_questions as questions_module
from cache_fabric.indexes.memory import MemoryIndex

Ask = Callable[..., CacheRequest]


async def near(fabric: CacheFabric, like: str, **filters: Any) -> list[str]:
    return [e.execution_id for e in await fabric.search_executions(like=like, **filters)]


async def vectors(fabric: CacheFabric) -> int:
    life = fabric._life()
    await fabric.flush()
    questions = life.engine.semantic.questions
    return await life.portal.run(lambda: life.parts.index.count(questions))


async def fill(fabric: CacheFabric) -> None:
    for name, question in (
        ("tent", "How do I return a tent?"),
        ("parcel", "Where is my parcel?"),
        ("tent again", "How do I return a tent?"),
    ):
        await fabric.track_execution(name, "g", {"input": question}, tags=[name[:4]])
    await fabric.track_execution("silent", "g", {"output": "tent"})


async def test_the_nearest_question_comes_first(any_fabric: CacheFabric) -> None:
    await fill(any_fabric)
    page = await any_fabric.search_executions(like="I want to send a tent back")
    assert [e.execution_id for e in page] == ["tent again", "tent", "parcel"]
    assert page.cursor is None
    similar = [e.similarity or 0.0 for e in page]
    assert 1.0 >= similar[0] == similar[1] > similar[2]
    assert await near(any_fabric, "tent", tag="parc") == ["parcel"]
    assert await near(any_fabric, "tent", limit=1) == ["tent again"]
    assert await near(any_fabric, "tent", text="again") == []


async def test_a_question_has_one_vector_however_often_it_is_asked(any_fabric: CacheFabric) -> None:
    await fill(any_fabric)
    assert await vectors(any_fabric) == 2


async def test_they_are_no_answers_and_no_answers_are_lost_over_them(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    question = "How do I return a tent?"
    result = await any_fabric.lookup(ask(question))
    assert isinstance(result, Miss)
    await any_fabric.store(result.ticket, "By post.")
    for number in range(40):
        state = {"input": f"How do I return tent number {number}?"}
        await any_fabric.track_execution(f"{number}", "g", state)
    assert await vectors(any_fabric) == 40
    found = await any_fabric.search_similar(question, limit=3)
    assert [item.metadata["type"] for item in found] == ["answer"]
    assert isinstance(await any_fabric.lookup(ask("How do I return this tent?")), Hit | Miss)
    assert await vectors(any_fabric) == 40
    assert len(await near(any_fabric, question, limit=50)) == 40


async def test_clearing_the_answers_leaves_them(any_fabric: CacheFabric, ask: Ask) -> None:
    await fill(any_fabric)
    result = await any_fabric.lookup(ask("How do I return a tent?"))
    assert isinstance(result, Miss)
    await any_fabric.store(result.ticket, "By post.")
    await any_fabric.flush()
    assert await any_fabric.clear() == 1
    assert await any_fabric.search_similar("tent") == []
    assert len(await near(any_fabric, "tent")) == 3


async def test_a_new_index_has_them_again(any_fabric: CacheFabric) -> None:
    await fill(any_fabric)
    await any_fabric.reindex()
    assert await vectors(any_fabric) == 2
    assert len(await near(any_fabric, "tent")) == 3


def test_another_process_finds_them(tmp_path: Path) -> None:
    with create_cache_fabric("local", path=tmp_path, policy=Threshold()).sync as fabric:
        fabric.track_execution("a", "g", {"input": "How do I return a tent?"})
    with create_cache_fabric("local", path=tmp_path, policy=Threshold()).sync as fabric:
        assert [e.execution_id for e in fabric.search_executions(like="tent")] == ["a"]


@pytest.mark.parametrize(
    ("policy", "indexed"), [(ExactOnly(), True), (Threshold(), False)], ids=["exact", "switched"]
)
async def test_where_nothing_is_to_be_found_by_meaning_nothing_is_embedded(
    policy: Any, indexed: bool
) -> None:
    asked: list[str] = []

    def embed(text: str) -> Sequence[float]:
        asked.append(text)
        return [1.0, 0.0]

    config = FabricConfig(index_executions=indexed)
    fabric = create_cache_fabric("memory", policy=policy, config=config, embedder=embed)
    await fill(fabric)
    await fabric.flush()
    assert asked == []
    await fabric.aclose()


async def test_a_dead_embedder_costs_the_vector_and_not_the_execution() -> None:
    def embed(text: str) -> Sequence[float]:
        raise OSError("away")

    fabric = create_cache_fabric("memory", policy=Threshold(), embedder=embed)
    await fabric.track_execution("a", "g", {"input": "Where?"}, durable=True)
    await fabric.flush()
    assert (await fabric.get_metrics())["executions"] == {"kept": 1, "unindexed": 1}
    assert await fabric.get_execution("a") is not None
    await fabric.aclose()


async def test_a_write_does_not_wait_for_the_embedder() -> None:
    gate = threading.Event()
    gate.set()

    def embed(text: str) -> Sequence[float]:
        gate.wait(60)
        return [1.0, 0.0]

    async with create_cache_fabric("memory", policy=Threshold(), embedder=embed) as fabric:
        gate.clear()
        await fabric.track_execution("a", "g", {"input": "Where?"}, durable=True)
        assert await fabric.get_execution("a") is not None
        gate.set()
        assert await near(fabric, "Where?") == ["a"]


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions_module, "_MOST", 10)
    monkeypatch.setattr(questions_module, "_COUNTED_EVERY", 5)
    async with create_cache_fabric("memory", policy=Threshold(), index=MemoryIndex()) as fabric:
        for number in range(40):
            await fabric.track_execution(f"{number}", "g", {"input": f"question {number}"})
            await fabric.flush()
        assert 10 <= await vectors(fabric) <= 15
