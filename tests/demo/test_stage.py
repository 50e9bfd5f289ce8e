"""The stage goes the way of an application, and counts what happened on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import FabricConfig, create_cache_fabric
from cache_fabric.demo.agents import Agents
from cache_fabric.demo.simulated import SimulatedModel
from cache_fabric.demo.stage import Stage, prompt_key
from cache_fabric.demo.switched import switched
from cache_fabric.demo.traffic import load_demo
from cache_fabric.errors import BackendError
from cache_fabric.fabric import CacheFabric
from cache_fabric.policy import Threshold
from cache_fabric.stores.sqlite import SqliteStore

DATA = load_demo()
POST = "Buy followers from this page, 1000 for just $5"
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


class Reckless(Threshold):
    """Serves whatever is nearest."""

    def _objection(self, *_: Any) -> None:
        return None


class Played:
    """A stage, its fabric, and what it told."""

    def __init__(self, stage: Stage, fabric: CacheFabric) -> None:
        self.stage = stage
        self.fabric = fabric
        self.told: list[tuple[str, dict[str, Any]]] = []
        stage.tell = lambda kind, data: self.told.append((kind, data))

    async def until(self, kind: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first of a kind of which something holds."""
        async with asyncio.timeout(60):
            while True:
                for each, data in self.told:
                    if each == kind and holds(data):
                        return data
                await asyncio.sleep(0.01)


async def broken(_: Any) -> Any:
    raise RuntimeError("no key for: Buy followers")


async def made(
    folder: Path, agents: tuple[str, ...], model: Any = None, **options: Any
) -> AsyncIterator[Played]:
    file = folder / "fabric.db"
    store, switch = switched(SqliteStore(file, "default"))
    fabric = create_cache_fabric("memory", store=store, config=PATIENT, **options)
    model = model or SimulatedModel(DATA, len, 0.0)
    about = {"name": "a simulated model", "simulated": True}
    beside = Agents(file, "default", agents)
    stage = Stage(fabric, switch, DATA, model, about, "gpt-4o-mini", beside)
    played = Played(stage, fabric)
    await stage.open()
    yield played
    switch.on = True
    await stage.close()
    await fabric.aclose()
    await store.aclose()


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Played]:
    async for each in made(tmp_path, ()):
        yield each


async def test_a_text_is_a_miss_and_then_a_hit_that_saved_what_the_miss_cost(
    played: Played,
) -> None:
    miss, hit = [await played.stage.classify(POST) for _ in range(2)]
    assert (miss.outcome, hit.outcome, hit.tier) == ("miss", "hit", "hot")
    assert miss.answer == hit.answer == "spam: offers paid followers"
    assert miss.cost == hit.saved
    assert miss.cost is not None
    assert hit.context == {"key": prompt_key("moderation"), "version": 1}


async def test_a_fresh_answer_is_neither_looked_up_nor_kept(played: Played) -> None:
    await played.stage.classify(POST, fresh=True)
    assert (await played.fabric.get_metrics())["requests"] == 0
    assert (await played.stage.classify(POST)).outcome == "miss"


async def test_another_prompt_makes_the_next_call_a_miss_and_a_cosmetic_one_does_not(
    played: Played,
) -> None:
    key = prompt_key("moderation")
    await played.stage.classify(POST)
    await played.fabric.set_context(key, "Be kind.", change="cosmetic")
    assert (await played.stage.classify(POST)).outcome == "hit"
    await played.fabric.set_context(key, "Be strict.")
    assert (await played.stage.classify(POST)).outcome == "miss"


async def test_a_bad_word_on_a_hit_makes_the_next_call_compute(played: Played) -> None:
    await played.stage.classify(POST)
    hit = await played.stage.classify(POST)
    await played.fabric.record_feedback(hit.execution_id, {"user_rating": 1})  # type: ignore[arg-type]
    assert (await played.stage.classify(POST)).outcome == "miss"


async def test_a_batch_counts_each_request_once(played: Played) -> None:
    total = played.stage.start_batch({"repeat": 8, "paraphrase": 4, "new": 6, "trap": 2})
    last = await played.until("batch", lambda told: told["done"] == total)
    assert last["exact"] + last["semantic"] + last["miss"] == total == 20
    assert last["traps"] == 2
    assert [told["done"] for kind, told in played.told if kind == "batch"] == list(range(1, 21))


async def test_a_wrong_hit_is_listed_with_what_was_served(tmp_path: Path) -> None:
    async for played in made(tmp_path, (), policy=Reckless(0.05)):
        played.stage.start_batch({"new": 30})
        last = await played.until("batch", lambda told: told["done"] == 30)
        assert last["wrong"], "it serves whatever is nearest"
        flagged = [told["last"] for kind, told in played.told if kind == "batch"]
        assert sum(each["wrong"] for each in flagged) == len(last["wrong"])
        assert all(each["question"] != each["answered_as"] for each in last["wrong"])


async def test_a_model_that_fails_is_named_without_its_words(tmp_path: Path) -> None:
    async for played in made(tmp_path, (), model=broken):
        for fresh in (True, False, False):  # the ticket was given back: nobody waits for it
            with pytest.raises(BackendError, match="gpt-4o-mini call: RuntimeError") as failed:
                await played.stage.classify(POST, fresh=fresh)
            assert "followers" not in str(failed.value)


async def test_a_batch_whose_model_fails_ends_and_says_why(tmp_path: Path) -> None:
    async for played in made(tmp_path, (), model=broken):
        played.stage.start_batch({"new": 5})
        last = await played.until("batch", lambda told: told.get("stopped", False))
        assert (last["done"], last["total"]) == (0, 5)
        assert "RuntimeError" in last["error"]


async def test_a_batch_that_is_stopped_says_so(played: Played) -> None:
    played.stage.start_batch({"new": 50})
    await played.until("batch", lambda told: told["done"] >= 1)
    played.stage.stop_batch()
    assert (await played.until("batch", lambda told: told.get("stopped", False)))["done"] < 50


async def test_without_the_store_texts_are_answered_and_afterwards_hits_come_back(
    played: Played,
) -> None:
    await played.stage.classify(POST)
    await played.fabric.flush()
    await played.stage.turn_store(running=False)
    assert played.stage.about()["store"] == "stopped"
    assert (await played.stage.classify("zzz")).outcome == "miss"
    await played.stage.turn_store(running=True)
    assert (await played.stage.classify(POST)).outcome == "hit"


async def test_agents_flip_to_a_new_prompt_and_go_on_without_the_store(tmp_path: Path) -> None:
    async for played in made(tmp_path, ("triage", "appeals")):
        for name in ("triage", "appeals"):
            await played.until("agent", lambda told, name=name: told["name"] == name)  # type: ignore[misc]
        entry = await played.fabric.set_context(prompt_key("moderation"), "Be strict.")
        for name in ("triage", "appeals"):
            flipped = await played.until(
                "agent",
                lambda told, name=name: (told["name"], told["version"]) == (name, 2),  # type: ignore[misc]
            )
            assert flipped["revision"] == entry.revision
            assert flipped["delay"] is not None
        await played.stage.turn_store(running=False)
        stale = await played.until("agent", lambda told: told["stale"] is not None)
        played.told.clear()
        await played.until(
            "agent",
            lambda told, then=stale: (  # type: ignore[misc]
                told["stale"] is not None and told["answered"] > then["answered"]
            ),
        )
        await played.stage.turn_store(running=True)
        await played.until("agent", lambda told: told["stale"] is None and told["version"] == 2)
