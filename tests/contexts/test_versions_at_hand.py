"""A version never changes, so a label or a number is read from the store only once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, NotFound
from cache_fabric.records import Resync
from cache_fabric.stores.base import Record
from cache_fabric.stores.memory import MemoryStore


class NotingStore(MemoryStore):
    """Notes the reads of versions, and refuses them when it is told to."""

    def __init__(self) -> None:
        super().__init__("n")
        self.reads = 0
        self.down = False

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        if any(key.startswith("v/") for key in keys):
            self.reads += 1
            if self.down:
                raise BackendUnavailable("memory", "read", "is away")
        return await super().read(keys)


@pytest.fixture
def store() -> NotingStore:
    return NotingStore()


@pytest.fixture
async def fabric(store: NotingStore) -> AsyncIterator[CacheFabric]:
    """A context with three versions, of which the first is labelled."""
    made = create_cache_fabric("memory", store=store)
    for value in ("one", "two", "three"):
        await made.set_context("k", value)
    await made.label_context("k", "production", 1)
    store.reads = 0
    yield made
    await made.aclose()


async def test_a_label_is_read_once_and_its_version_says_what_points_at_it(
    fabric: CacheFabric, store: NotingStore
) -> None:
    for _ in range(3):
        found = await fabric.get_context("k", label="production")
        assert (found.value, found.version, found.labels) == ("one", 1, ("production",))
    assert store.reads == 1
    await fabric.label_context("k", "stable", 1)
    assert (await fabric.get_context("k", version=1)).labels == ("production", "stable")
    assert store.reads == 1


async def test_a_label_that_moves_is_followed(fabric: CacheFabric) -> None:
    assert (await fabric.get_context("k", label="production")).value == "one"
    await fabric.label_context("k", "production", 2, force=True)
    assert (await fabric.get_context("k", label="production")).value == "two"


async def test_a_label_is_served_through_an_outage(fabric: CacheFabric, store: NotingStore) -> None:
    await fabric.get_context("k", label="production")
    store.down = True
    assert (await fabric.get_context("k", label="production")).value == "one"
    with pytest.raises(BackendUnavailable):
        await fabric.get_context("k", version=2)


async def test_an_unknown_version_is_asked_for_again(
    fabric: CacheFabric, store: NotingStore
) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            await fabric.get_context("k", version=9)
    assert store.reads == 2


async def test_after_a_resync_nothing_is_taken_for_known(
    fabric: CacheFabric, store: NotingStore
) -> None:
    await fabric.get_context("k", version=1)
    fabric._life().contexts.live.tell("changed", Resync(revision=7, reason="went back"))
    await fabric.get_context("k", version=1)
    assert store.reads == 2


async def test_only_so_many_versions_are_at_hand(fabric: CacheFabric, store: NotingStore) -> None:
    for number in range(100):
        await fabric.set_context("k", number)
    store.reads = 0
    for _ in range(2):
        for version in range(1, 101):
            await fabric.get_context("k", version=version)
    assert store.reads == 200
    assert len(fabric._life().contexts._versions) == 64
