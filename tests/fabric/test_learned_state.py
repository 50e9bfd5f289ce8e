"""What a policy has learned outlives its process, and is shared with others on the same store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    codec,
    create_cache_fabric,
)
from cache_fabric.life import Life
from cache_fabric.policy.family import Family
from cache_fabric.policy_memory import STATES
from cache_fabric.stores.base import Record, Write
from cache_fabric.stores.memory import MemoryStore
from servers import Server, running

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)
CITIES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi")
PROBE = "What is the train to Vienna like?"
LABELS = 5  # the first question has no neighbor
Make = Callable[..., CacheFabric]


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Make fabrics on one store, as processes of one deployment do."""
    place: Any = MemoryStore("n")
    if request.param == "sqlite":
        place = f"sqlite://{tmp_path / 'fabric.db'}"
    elif request.param == "redis":
        server: Server = request.getfixturevalue("redis")
        server.flush()
        place = server.url
    made: list[CacheFabric] = []

    def one(**options: Any) -> CacheFabric:
        made.append(create_cache_fabric("memory", store=place, config=PATIENT, **options))
        return made[-1]

    yield one
    for fabric in made:
        await fabric.aclose()


def request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


async def teach(fabric: CacheFabric, kind: str, answer: str | None = None) -> None:
    """Let the model answer six questions that are alike: each by itself, or all the same."""
    for city in CITIES:
        asked = request(f"What is the {kind} to {city} like?")
        await fabric.get_or_call(asked, lambda c=city: answer or f"like {c}")  # type: ignore[misc]
    await fabric.flush()


async def probability(fabric: CacheFabric) -> float:
    """That the nearest answer is right for the probe."""
    found = await fabric.lookup(request(PROBE))
    if isinstance(found, Miss):
        await fabric.release(found.ticket)
    assert isinstance(found, Hit | Miss)
    assert found.probability is not None
    return found.probability


async def write(fabric: CacheFabric) -> None:
    await fabric._run(lambda life: life.engine.learning.memory.write())


async def family(fabric: CacheFabric) -> Family:
    """The state of the only family, as this process has it."""

    async def of(life: Life) -> Family:
        (slot,) = life.engine.learning.memory._slots.values()
        state: Family = slot.state
        return state

    return await fabric._run(of)


async def stored(fabric: CacheFabric) -> list[Record]:
    async def of(life: Life) -> list[Record]:
        await life.engine.store.open()
        return await life.parts.store.records(STATES)

    return await fabric._run(of)


async def replace(fabric: CacheFabric, data: bytes) -> None:
    """Write other bytes over the only stored state."""
    (record,) = await stored(fabric)

    async def commit(life: Life) -> int:
        note = codec.pack({"items": []}, PATIENT.secret)
        return await life.parts.store.commit([Write(record.key, data)], note=note)

    await fabric._run(commit)


async def test_after_a_restart_the_same_question_is_as_probable_as_before(make: Make) -> None:
    first = make()
    await teach(first, "train", "boring")
    before = await probability(first)
    await first.aclose()
    again = make()
    await again.reindex()
    assert await probability(again) == pytest.approx(before, abs=1e-4)
    await replace(again, b"gone")
    fresh = make()
    await fresh.reindex()
    assert abs(await probability(fresh) - before) > 0.01


async def test_two_processes_add_up_what_they_learned(make: Make) -> None:
    one, other = make(), make()
    await teach(one, "train")
    await teach(other, "flight")
    await write(one)
    await write(other)
    mine, both = await family(one), await family(other)
    assert both.budget.requests == 12
    assert both.calibration.labels == 2 * LABELS
    assert mine.calibration.labels == LABELS
    await teach(one, "boat")
    await write(one)
    assert mine.budget.requests == 18
    assert mine.calibration.labels > 2 * LABELS
    assert mine.matcher.rarity.texts > both.matcher.rarity.texts


async def test_nothing_new_is_not_written_again(make: Make) -> None:
    fabric = make()
    await teach(fabric, "train")
    await write(fabric)
    (before,) = await stored(fabric)
    await write(fabric)
    assert await stored(fabric) == [before]


@pytest.mark.parametrize(
    "data",
    [
        b"damaged",
        codec.pack({"format": 0}, PATIENT.secret),
        codec.pack({"format": 1, "embedder": "x"}, PATIENT.secret),
        codec.pack([1, 2], PATIENT.secret),
        codec.pack({"format": 1}, b"another secret"),
    ],
)
async def test_a_state_that_cannot_be_used_is_a_fresh_one(
    make: Make, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = make()
    await teach(first, "train")
    await write(first)
    await replace(first, data)
    again = make()
    await teach(again, "flight")
    assert (await family(again)).calibration.labels == LABELS
    assert "a policy starts anew" in caplog.text
    await again.aclose()
    third = make()
    await probability_of_nothing(third)
    assert (await family(third)).calibration.labels == LABELS


async def probability_of_nothing(fabric: CacheFabric) -> None:
    found = await fabric.lookup(request(PROBE))
    assert isinstance(found, Miss)
    await fabric.release(found.ticket)


async def test_another_embedder_learns_for_itself(make: Make) -> None:
    first = make()
    await teach(first, "train")
    await write(first)
    (before,) = await stored(first)

    def embed(text: str) -> list[float]:
        return [float(len(text)), 1.0]

    foreign = make(embedder=embed)
    await teach(foreign, "flight")
    assert (await family(foreign)).calibration.labels == LABELS
    await foreign.aclose()
    assert before in await stored(first)
    assert len(await stored(first)) == 2


async def test_clear_forgets_answers_and_keeps_what_was_learned(make: Make) -> None:
    first = make()
    await teach(first, "train")
    await first.clear()
    await first.aclose()
    again = make()
    await probability_of_nothing(again)
    assert (await family(again)).calibration.labels == LABELS


async def test_followers_of_contexts_do_not_see_it(make: Make) -> None:
    fabric = make()
    await fabric.set_context("a", "1")
    await teach(fabric, "train")
    await write(fabric)
    assert len(await stored(fabric)) == 1
    await fabric.set_context("b", "1")
    changes = fabric.watch(after=0)
    seen = [await asyncio.wait_for(anext(changes), 30) for _ in range(2)]
    await changes.aclose()
    assert [getattr(change, "key", None) for change in seen] == ["a", "b"]
    assert [entry.key for entry in await fabric.list_contexts()] == ["a", "b"]
    assert (await fabric.inspect()).contexts == 2


async def test_no_word_of_a_question_or_an_answer_is_in_it(make: Make) -> None:
    fabric = make()
    await teach(fabric, "train", "boring")
    await write(fabric)
    (record,) = await stored(fabric)
    for word in (b"train", b"boring", b"Paris", b"paris"):
        assert word not in record.value
        assert word not in record.key.encode()
