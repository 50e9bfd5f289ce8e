"""Faults of a backend are counted misses; the model call never hears of them."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cache_fabric import (
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Write
from cache_fabric.stores.memory import MemoryStore

Ask = Callable[..., CacheRequest]


class Flaky(MemoryStore):
    """A store that fails or hangs when told to."""

    fault: str | None = None
    asked: int = 0
    gate: threading.Event

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.gate = threading.Event()

    async def get(self, key: str) -> bytes | None:
        await self._misbehave()
        return await super().get(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        await self._misbehave()
        return await super().get_many(keys)

    async def set_many(self, writes: Sequence[Write]) -> None:
        if self.fault == "hang while writing":
            await asyncio.to_thread(self.gate.wait)
        await self._misbehave()
        await super().set_many(writes)

    async def _misbehave(self) -> None:
        self.asked += self.fault is not None
        if self.fault == "raise":
            raise BackendUnavailable("flaky", "get", "gone")
        if self.fault == "bug":
            raise ZeroDivisionError
        if self.fault == "hang":
            await asyncio.Event().wait()


async def test_a_store_that_hangs_costs_a_lookup_its_time_once(ask: Ask) -> None:
    store = Flaky("n")
    fabric = create_cache_fabric("memory", store=store, policy=Threshold(0.5))
    missed = await fabric.lookup(ask("How do I return an item?"))
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "kept")
    await fabric.flush()
    near = ask("How do I return that item?")
    assert isinstance(await fabric.lookup(near), Hit)
    store.fault = "hang"
    broken = await fabric.lookup(near)
    assert isinstance(broken, Miss)
    assert (broken.degraded, store.asked) == ("store", 1)
    await fabric.release(broken.ticket)
    store.fault = None
    await fabric.aclose()


@pytest.mark.parametrize("fault", ["raise", "bug", "hang"])
async def test_a_faulty_store_is_a_counted_miss_and_hits_come_back(ask: Ask, fault: str) -> None:
    store = Flaky("n")
    config = FabricConfig(hot_entries=1)
    fabric = create_cache_fabric("memory", store=store, config=config)
    for question in ("one", "two"):  # the second pushes the first out of the hot tier
        missed = await fabric.lookup(ask(question))
        assert isinstance(missed, Miss)
        await fabric.store(missed.ticket, "kept")
    await fabric.flush()
    store.fault = fault
    broken = await fabric.lookup(ask("one"))
    assert isinstance(broken, Miss)
    assert broken.degraded == "store"
    assert (await fabric.get_metrics())["degraded"] == {"store": 1}
    store.fault = None
    assert isinstance(await fabric.lookup(ask("one")), Hit)
    await fabric.aclose()


async def test_a_broken_store_is_left_alone_after_five_failures(ask: Ask) -> None:
    store = Flaky("n")
    store.fault = "raise"
    fabric = create_cache_fabric("memory", store=store)
    reasons = []
    for number in range(7):
        missed = await fabric.lookup(ask(f"question {number}"))
        assert isinstance(missed, Miss)
        reasons.append(missed.degraded)
    assert reasons == ["store"] * 7
    calls = 0

    async def counted(key: str) -> bytes | None:
        nonlocal calls
        calls += 1
        return None

    store.get = counted  # type: ignore[method-assign]
    await fabric.lookup(ask("one more"))
    assert calls == 0
    await fabric.aclose()


async def test_a_store_that_never_opens_delays_the_first_calls_only(ask: Ask) -> None:
    class Hanging(MemoryStore):
        opened = 0

        async def open(self) -> None:
            self.opened += 1
            await asyncio.Event().wait()

    store = Hanging("n")
    fabric = create_cache_fabric(
        "memory", store=store, policy=ExactOnly(), config=FabricConfig(open_timeout=0.05)
    )
    async with asyncio.timeout(20):
        for number in range(10):
            missed = await fabric.lookup(ask(f"question {number}"))
            assert isinstance(missed, Miss)
            assert missed.degraded == "store"
    assert store.opened == 1
    await fabric.aclose()


async def test_a_paraphrase_finds_an_answer_that_is_still_being_written(ask: Ask) -> None:
    store = Flaky("n")
    fabric = create_cache_fabric(
        "memory", store=store, policy=Threshold(), config=FabricConfig(semantic_timeout=30)
    )
    missed = await fabric.lookup(ask("How do I return an item?"))
    assert isinstance(missed, Miss)
    store.fault = "hang while writing"
    await fabric.store(missed.ticket, "By post.")
    found = await fabric.lookup(ask("How can I return an item?"))
    assert isinstance(found, Hit)
    assert found.tier == "semantic"
    store.gate.set()
    await fabric.aclose()


async def test_a_write_that_fails_is_counted_and_the_answer_stays_readable_here(ask: Ask) -> None:
    store = Flaky("n")
    fabric = create_cache_fabric("memory", store=store)
    missed = await fabric.lookup(ask("one"))
    assert isinstance(missed, Miss)
    store.fault = "raise"
    await fabric.store(missed.ticket, "kept")
    await fabric.flush()
    assert (await fabric.get_metrics())["answers"] == {"stored": 1, "dropped": 1}
    assert isinstance(await fabric.lookup(ask("one")), Hit)
    await fabric.aclose()


BAD_VECTORS: dict[str, Callable[[str], Any]] = {
    "raises": lambda text: 1 / 0,
    "nan": lambda text: [math.nan, 1.0],
    "zero": lambda text: [0.0, 0.0],
    "text": lambda text: ["a", "b"],
    "changing size": lambda text: [1.0] * (2 if text == "dimension" else 3),
}


@pytest.mark.parametrize("embed", BAD_VECTORS.values(), ids=BAD_VECTORS)
async def test_a_bad_embedder_costs_the_semantic_tier_only(
    ask: Ask, embed: Callable[[str], Any]
) -> None:
    fabric = create_cache_fabric("memory", embedder=embed)
    missed = await fabric.lookup(ask("one"))
    assert isinstance(missed, Miss)
    assert missed.degraded in {"embedder", "index"}
    await fabric.store(missed.ticket, "kept")
    await fabric.flush()
    assert isinstance(await fabric.lookup(ask("one")), Hit)
    await fabric.aclose()


async def test_a_policy_with_a_bug_is_a_counted_miss(ask: Ask) -> None:
    class Buggy:
        name = "buggy"
        semantic = True
        floor = 0.0

        def new_state(self, embedder: str) -> None:
            return None

        def decide(self, asked: Any, candidates: Any, state: Any = None) -> Any:
            raise ZeroDivisionError

    fabric = create_cache_fabric("memory", policy=Buggy())
    missed = await fabric.lookup(ask("one"))
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "kept")
    await fabric.flush()
    broken = await fabric.lookup(ask("one more"))
    assert isinstance(broken, Miss)
    assert (broken.degraded, broken.reason) == ("engine", "ZeroDivisionError")
    await fabric.aclose()


async def test_a_corrupt_entry_is_a_miss_and_is_taken_out(ask: Ask) -> None:
    store = MemoryStore("n")
    fabric = create_cache_fabric("memory", store=store, config=FabricConfig(hot_entries=1))
    keys = []
    for question in ("one", "two"):
        missed = await fabric.lookup(ask(question))
        assert isinstance(missed, Miss)
        await fabric.store(missed.ticket, "kept")
        keys.append("a/" + missed.ticket.keys.exact)
    await fabric.flush()
    await store.set_many([Write(keys[0], b"rubbish")])
    assert isinstance(await fabric.lookup(ask("one")), Miss)
    while await store.get(keys[0]) is not None:
        await asyncio.sleep(0)
    assert await store.get(keys[1]) is not None
    await fabric.aclose()


async def test_a_hook_that_raises_disturbs_nobody(ask: Ask) -> None:
    def hook(event: Any) -> None:
        raise RuntimeError("mine")

    fabric = create_cache_fabric("memory", hooks=[hook])
    assert isinstance(await fabric.lookup(ask("one")), Miss)
    await fabric.aclose()


async def test_every_lookup_ends_in_exactly_one_counted_outcome(ask: Ask) -> None:
    fabric = create_cache_fabric("memory")
    for question in ("one", "one", "two", "", "one"):
        found = await fabric.lookup(ask(question))
        if isinstance(found, Miss):
            await fabric.store(found.ticket, "kept")
    metrics = await fabric.get_metrics()
    outcomes = ("hits", "misses", "coalesced", "bypassed")
    assert metrics["requests"] == sum(metrics[name] for name in outcomes) == 5
    await fabric.aclose()
