"""Watch: ordered, gap-free, resumable, honest about what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache_fabric import ContextScope, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, ValidationError
from cache_fabric.records import ContextChange, Resync
from cache_fabric.stores.base import Changes
from cache_fabric.stores.memory import MemoryStore
from contexts.conftest import Make


async def taken(changes: AsyncIterator[Any], count: int) -> list[Any]:
    """Return the next changes, in time or not at all."""
    async with asyncio.timeout(20):
        return [await anext(changes) for _ in range(count)]


async def test_changes_come_in_order_with_their_story(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("router:a", "one", author="ann")
    await fabric.set_context("router:a", "two", change="cosmetic")
    await fabric.label_context("router:a", "production", 1)
    await fabric.rollback_context("router:a", 1)
    await fabric.delete_context("router:a")
    found = await taken(fabric.watch("router:", after=0), 5)
    assert [(c.op, c.version, c.behaviour) for c in found] == [
        ("set", 1, 1),
        ("set", 2, 1),
        ("label", 1, 1),
        ("rollback", 3, 1),
        ("delete", 4, 1),
    ]
    assert [c.revision for c in found] == [1, 2, 3, 4, 5]
    assert found[0].author == "ann"
    assert found[2].label == "production"
    assert found[3].before == 2


async def test_a_watch_resumes_after_a_revision_without_loss_or_repeat(make: Make) -> None:
    writer, watcher = await make(), await make()
    for number in range(10):
        await writer.set_context("k", number)
    seen: list[int] = []
    for _ in range(5):
        changes = watcher.watch(after=seen[-1] if seen else 0)
        seen += [c.revision for c in await taken(changes, 2)]
        await changes.aclose()
    assert seen == list(range(1, 11))


async def test_a_watch_without_a_revision_starts_now_and_sees_another_process(make: Make) -> None:
    writer, watcher = await make(), await make()
    await writer.set_context("k", "before")
    changes = watcher.watch()
    following = asyncio.create_task(taken(changes, 1))
    await watcher.list_contexts()
    version = 1
    while not following.done():
        version = (await writer.set_context("k", "after")).version
        await asyncio.sleep(0.001)
    found = (await following)[0]
    assert isinstance(found, ContextChange)
    assert 2 <= found.version <= version


async def test_a_watch_shows_its_prefix_and_its_owner_only(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("tool:x", 1)
    await fabric.set_context("router:hidden", 1, ContextScope.TENANT, tenant="acme")
    await fabric.set_context("router:x", 1)
    assert [c.key for c in await taken(fabric.watch("router:", after=0), 1)] == ["router:x"]
    mine = await taken(fabric.watch("router:", after=0, tenant="acme"), 2)
    assert [c.key for c in mine] == ["router:hidden", "router:x"]


async def test_the_keys_of_a_bundle_share_a_revision_and_the_last_one_says_so(make: Make) -> None:
    fabric = await make()
    async with fabric.publish() as bundle:
        for key in ("a", "b", "c"):
            bundle.set_context(key, 1)
    found = await taken(fabric.watch(after=0), 3)
    assert {c.revision for c in found} == {1}
    assert [c.last for c in found] == [False, False, True]


async def test_a_trimmed_revision_is_an_explicit_resync(make: Make) -> None:
    fabric = create_cache_fabric("memory", store=MemoryStore("n", log_limit=3))
    for number in range(10):
        await fabric.set_context("k", number)
    changes = fabric.watch(after=2)
    first = (await taken(changes, 1))[0]
    assert isinstance(first, Resync)
    assert first.revision == 10
    await fabric.set_context("k", "new")
    assert (await taken(changes, 1))[0].revision == 11
    await fabric.aclose()


class Cut(MemoryStore):
    """A store whose log can be cut off."""

    down = False

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        self._check()
        return await super().changes(after, limit)

    async def wait(self, after: int, timeout: float) -> bool:
        self._check()
        return await super().wait(after, min(timeout, 0.01))

    def _check(self) -> None:
        if self.down:
            raise BackendUnavailable("cut", "read", "gone")


async def test_during_an_outage_the_last_known_good_is_served_and_marked() -> None:
    store = Cut("n")
    fabric = create_cache_fabric("memory", store=store)
    await fabric.set_context("k", "good")
    stale, loop = asyncio.Event(), asyncio.get_running_loop()
    fabric.on("stale", lambda event, error: loop.call_soon_threadsafe(stale.set))
    assert not (await fabric.get_context("k")).stale
    store.down = True
    await asyncio.wait_for(stale.wait(), 10)
    entry = await fabric.get_context("k")
    assert (entry.value, entry.stale) == ("good", True)
    assert entry.age > 0
    with pytest.raises(BackendUnavailable, match="last known"):
        await fabric.get_context("k", max_staleness=0)
    assert await fabric.get_context("k", "fallback", max_staleness=0) == "fallback"
    store.down = False
    async with asyncio.timeout(10):
        while (await fabric.get_context("k")).stale:
            await asyncio.sleep(0.001)
    await fabric.aclose()


async def test_a_thousand_disconnects_lose_repeat_and_reorder_nothing() -> None:
    store = Cut("n")
    fabric = create_cache_fabric("memory", store=store)
    count, watchers = 1000, 20
    seen: list[list[int]] = [[] for _ in range(watchers)]

    async def watch(mine: list[int]) -> None:
        async for change in fabric.watch(after=0):
            mine.append(change.revision)
            if change.revision == count:
                return

    tasks = [asyncio.create_task(watch(mine)) for mine in seen]
    for number in range(count):
        await fabric.set_context("k", number)
        store.down = True
        await asyncio.sleep(0)
        store.down = False
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    assert all(mine == list(range(1, count + 1)) for mine in seen)
    await fabric.aclose()


async def test_a_cold_start_without_a_store_is_a_clear_error_or_the_fallback() -> None:
    class Down(MemoryStore):
        async def open(self) -> None:
            raise BackendUnavailable("store", "open", "nothing answers at localhost")

    fabric = create_cache_fabric("memory", store=Down("n"))
    with pytest.raises(BackendUnavailable, match="nothing answers"):
        await fabric.get_context("k")
    assert await fabric.get_context("k", "packaged prompt") == "packaged prompt"
    await fabric.aclose()


async def test_an_unknown_event_is_named(make: Make) -> None:
    with pytest.raises(ValidationError, match="changed, stale, error"):
        (await make()).on("moved", print)


def test_the_blocking_watch_and_publish_work() -> None:
    with create_cache_fabric("memory").sync as fabric:
        with fabric.publish(message="m") as bundle:
            bundle.set_context("a", 1)
            bundle.set_context("b", 1)
        changes = fabric.watch(after=0)
        assert [next(changes)["key"], next(changes)["key"]] == ["a", "b"]


async def test_a_moved_label_does_not_speak_in_the_name_of_the_version(make: Make) -> None:
    fabric = await make()
    first = await fabric.set_context("k", "one", author="ada", message="begin")
    await fabric.label_context("k", "production", 1)
    async with fabric.publish(author="bob", message="go live") as bundle:
        bundle.label_context("k", "staging", 1)
    changes = fabric.watch(after=first.revision)
    moves = await taken(changes, 2)
    await changes.aclose()
    assert [(m["label"], m["author"], m["message"]) for m in moves] == [
        ("production", None, None),
        ("staging", "bob", "go live"),
    ]
