"""When the states of policies are read and written, and what a fault of the store does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cache_fabric.config import FabricConfig
from cache_fabric.errors import BackendUnavailable
from cache_fabric.part import Part
from cache_fabric.policy import Policy, Threshold, Verified
from cache_fabric.policy.family import Family
from cache_fabric.policy_memory import STATES, PolicyMemory
from cache_fabric.stores.base import CommitConflict, Record, Write
from cache_fabric.stores.memory import MemoryStore

CONFIG = FabricConfig(exact_timeout=30)
POLICY = Verified()


class FailingStore(MemoryStore):
    """A store that can be made to fail; says when something was written."""

    def __init__(self) -> None:
        super().__init__("n")
        self.down = False
        self.conflicts = 0
        self.committed = asyncio.Event()
        self.commits = 0
        self.during: Callable[[], None] = lambda: None

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        if self.down:
            raise BackendUnavailable("store", "read", "down")
        return await super().read(keys)

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        if self.down:
            raise BackendUnavailable("store", "commit", "down")
        if self.conflicts:
            self.conflicts -= 1
            raise CommitConflict(writes[0].key, 1)
        revision = await super().commit(writes, note=note, expect=expect)
        self.commits += 1
        self.during()
        self.committed.set()
        return revision


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


def memory_of(store: FailingStore, **options: Any) -> PolicyMemory:
    part = Part("store", store.open, open_timeout=30)
    return PolicyMemory(part, store, "any", CONFIG, **options)


def learn(memory: PolicyMemory, state: Family, family: str, policy: Policy = POLICY) -> None:
    state.budget.requests += 1
    state.budget.see(0.1)
    state.calibration.learn(1.0, True, 1.0)
    memory.changed(policy, family, labels=1)


async def teach(memory: PolicyMemory, family: str, labels: int = 1) -> Family:
    await memory.ready(POLICY, family)
    state: Family = memory.state(POLICY, family)
    for _ in range(labels):
        learn(memory, state, family)
    return state


async def labels_in(store: FailingStore, family: str) -> int:
    """As a process finds them that starts now."""
    memory = memory_of(store)
    await memory.ready(POLICY, family)
    state: Family = memory.state(POLICY, family)
    return state.calibration.labels


async def test_a_family_is_written_after_so_many_labels(store: FailingStore) -> None:
    memory = memory_of(store, every_labels=3, every_seconds=1e6)
    await teach(memory, "f", 3)
    await asyncio.wait_for(store.committed.wait(), 30)
    assert await labels_in(store, "f") == 3
    memory.stop()


async def test_news_are_written_after_a_while(store: FailingStore) -> None:
    memory = memory_of(store, every_seconds=0.0)
    await teach(memory, "f")
    await asyncio.wait_for(store.committed.wait(), 30)
    assert await labels_in(store, "f") == 1
    memory.stop()


async def test_a_family_that_makes_room_is_written_and_comes_back(store: FailingStore) -> None:
    memory = memory_of(store, every_seconds=1e6)
    await teach(memory, "first", 2)
    for number in range(64):
        await memory.ready(POLICY, str(number))
    await asyncio.wait_for(store.committed.wait(), 30)
    assert await labels_in(store, "first") == 2
    again = await teach(memory, "first")
    assert again.calibration.labels == 3
    memory.stop()


async def test_many_families_go_in_few_commits(store: FailingStore) -> None:
    memory = memory_of(store, every_seconds=1e6)
    for number in range(16):
        await teach(memory, str(number))
    await memory.write()
    assert store.commits == 2
    assert len(await store.records(STATES)) == 16


async def test_a_family_without_neighbors_is_not_worth_a_record(store: FailingStore) -> None:
    memory = memory_of(store)
    await memory.ready(POLICY, "f")
    memory.state(POLICY, "f").count()
    memory.changed(POLICY, "f")
    await memory.write()
    assert await store.records(STATES) == []


async def test_a_policy_that_learns_nothing_is_not_stored(store: FailingStore) -> None:
    memory = memory_of(store)
    await memory.ready(Threshold(0.9), "f")
    assert memory.state(Threshold(0.9), "f") is None
    memory.changed(Threshold(0.9), "f", labels=1)
    await memory.write()
    assert await store.records(STATES) == []


async def test_what_was_learned_while_the_store_was_down_is_added_to_it(
    store: FailingStore,
) -> None:
    before = memory_of(store)
    await teach(before, "f", 5)
    await before.write()
    store.down = True
    memory = memory_of(store, every_seconds=1e6)
    state = await teach(memory, "f", 2)
    await memory.write()
    assert state.calibration.labels == 2
    store.down = False
    await memory.write()
    assert state.calibration.labels == 7
    assert await labels_in(store, "f") == 7
    memory.stop()


async def test_two_limits_have_an_account_each(store: FailingStore) -> None:
    memory = memory_of(store)
    await teach(memory, "f")
    strict = Verified(max_error=0.005)
    await memory.ready(strict, "f")
    memory.state(strict, "f").budget.see(0.1)
    memory.state(strict, "f").budget.requests += 1
    await memory.write()
    assert len(await store.records(STATES)) == 2


async def test_two_states_of_one_record_add_up(store: FailingStore) -> None:
    memory = memory_of(store)
    await teach(memory, "f", 2)
    alike = Verified(alpha=0.2)
    await memory.ready(alike, "f")
    learn(memory, memory.state(alike, "f"), "f", alike)
    await memory.write()
    assert len(await store.records(STATES)) == 1
    assert await labels_in(store, "f") == 3


async def test_a_write_that_always_loses_stays_for_later(
    store: FailingStore, caplog: pytest.LogCaptureFixture
) -> None:
    memory = memory_of(store, every_seconds=1e6)
    await teach(memory, "f", 2)
    store.conflicts = 5
    await memory.write()
    assert "stays for later" in caplog.text
    await memory.write()
    assert await labels_in(store, "f") == 2
    memory.stop()


async def test_what_is_learned_during_a_write_is_written_next(store: FailingStore) -> None:
    memory = memory_of(store, every_seconds=1e6)
    state = await teach(memory, "f")
    store.during = lambda: learn(memory, state, "f")
    await memory.write()
    store.during = lambda: None
    assert await labels_in(store, "f") == 1
    await memory.write()
    assert await labels_in(store, "f") == state.calibration.labels == 2
    memory.stop()
