"""What somebody says of a run changes what is served."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.feedback_form import feedback_query
from voting import answered, hit, missed

Ask = Callable[..., CacheRequest]
RETURN = "How do I return an item?"


async def served(fabric: CacheFabric, run: str, request: CacheRequest) -> str:
    """Track a run that is served a kept answer; returns the text."""
    found = await hit(fabric, request)
    await fabric.track_execution(run, "support", {"status": "success"}, answers=[found])
    assert found.entry.text is not None
    return found.entry.text


async def test_a_thumb_down_takes_the_answer_away_and_a_thumb_up_gives_it_back(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(any_fabric, ask(RETURN))
    await served(any_fabric, "1", ask(RETURN))
    down = await any_fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "ann"})
    assert [(e.entry_id, e.action) for e in down.effects] == [(entry_id, "quarantined")]
    assert await missed(any_fabric, ask(RETURN))
    remark = await any_fabric.record_feedback("1", {"comment": "slow", "annotator_id": "ann"})
    assert [effect.action for effect in remark.effects] == ["quarantined"]
    assert await missed(any_fabric, ask(RETURN))
    up = await any_fabric.record_feedback("1", {"user_rating": 5, "annotator_id": "ann"})
    assert [effect.action for effect in up.effects] == ["restored"]
    assert (await hit(any_fabric, ask(RETURN))).entry.id == entry_id


async def test_a_correction_is_served_in_its_place(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, ask(RETURN), "By post.")
    await served(any_fabric, "1", ask(RETURN))
    said = {"correction": "To any shop.", "expected": "By pigeon.", "match": False}
    feedback = await any_fabric.record_feedback("1", said)
    assert [effect.action for effect in feedback.effects] == ["quarantined", "pinned"]
    assert await served(any_fabric, "2", ask(RETURN)) == "To any shop."


async def test_strangers_act_when_they_agree(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, ask(RETURN))
    await served(any_fabric, "1", ask(RETURN))
    for who, action in (("eve", "held"), ("eve", "held"), ("ann", "quarantined")):
        given = {"user_rating": 1, "annotator_id": who}
        feedback = await any_fabric.record_feedback("1", given, trusted=False)
        assert [effect.action for effect in feedback.effects] == [action]
        assert await missed(any_fabric, ask(RETURN)) == (action == "quarantined")


async def test_what_was_expected_is_never_served(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(RETURN))
    await served(fabric, "1", ask(RETURN))
    feedback = await fabric.record_feedback(
        "1", {"expected": "To any shop.", "classification": "By post."}
    )
    assert [effect.action for effect in feedback.effects] == ["quarantined"]
    assert await missed(fabric, ask(RETURN))


async def test_a_fault_after_the_answer_was_taken_away_is_mended_by_saying_it_again(
    any_fabric: CacheFabric, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = await answered(any_fabric, ask(RETURN))
    await served(any_fabric, "1", ask(RETURN))

    async def lost(_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(any_fabric._life().feedback.kept, "put", lost)
        with pytest.raises(ConnectionError):
            await any_fabric.record_feedback("1", {"user_rating": 1})
    assert await missed(any_fabric, ask(RETURN))
    feedback = await any_fabric.record_feedback("1", {"user_rating": 1})
    assert [(e.entry_id, e.action) for e in feedback.effects] == [(entry_id, "quarantined")]
    assert (await any_fabric.get_metrics())["hits_reversed"] == 1


@pytest.fixture(params=["memory", "local"])
async def flooded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CacheFabric]:
    """A fabric in which one annotator may take twenty answers away an hour."""
    options: dict[str, Any] = {"path": tmp_path / "kept"} if request.param == "local" else {}
    limits = FabricConfig(exact_timeout=30, semantic_timeout=30, feedback_grace=20)
    made = create_cache_fabric(
        request.param, index="memory", policy=Threshold(1.0), config=limits, **options
    )
    yield made
    await made.aclose()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("words", [2_000, pytest.param(10_000, marks=pytest.mark.campaign)])
async def test_a_flood_of_one_annotator_is_kept_and_does_little(
    flooded: CacheFabric, ask: Ask, words: int
) -> None:
    """On 100 runs, 1,000 words at once: every one is kept, twenty answers go."""
    questions = [f"What is the price of part {number}?" for number in range(100)]
    for number, question in enumerate(questions):
        await answered(flooded, ask(question))
        await served(flooded, str(number), ask(question))

    async def say(number: int) -> None:
        given = {"user_rating": 1, "annotator_id": "mallory", "name": f"n{number // 100}"}
        await flooded.record_feedback(str(number % 100), given)

    for start in range(0, words, 1_000):
        await asyncio.gather(*map(say, range(start, start + 1_000)))
    life = flooded._life()
    assert await life.portal.run(lambda: life.feedback.kept.count(feedback_query())) == words
    gone = [question for question in questions if await missed(flooded, ask(question))]
    assert len(gone) == 20
    assert len(await flooded.search_executions(feedback="bad", limit=200)) == 100
    gc.collect()
    assert len(life.feedback._turns) == 0
