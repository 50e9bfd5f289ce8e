"""What a process knows of a context is had without a store, and without waiting for one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cache_fabric import CacheFabric, ContextScope, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Changes
from cache_fabric.stores.memory import MemoryStore


class Away(MemoryStore):
    async def changes(self, after: int, limit: int = 1000) -> Changes:
        raise BackendUnavailable("memory", "changes", "is away")


class Hanging(MemoryStore):
    async def changes(self, after: int, limit: int = 1000) -> Changes:
        await asyncio.Event().wait()
        raise AssertionError


async def test_it_is_the_current_version_of_the_narrowest_scope(fabric: CacheFabric) -> None:
    assert await fabric.known_context("k") is None
    await fabric.set_context("k", "for all")
    await fabric.set_context("k", "for one", ContextScope.TENANT, tenant="one")
    found = [await fabric.known_context("k", tenant=name) for name in (None, "one", "two")]
    assert [entry and entry.value for entry in found] == ["for all", "for one", "for all"]
    await fabric.set_context("k", "later")
    later = await asyncio.to_thread(fabric.sync.known_context, "k")
    assert later is not None
    assert (later.value, later.version) == ("later", 2)


@pytest.mark.parametrize("store", [Away, Hanging])
async def test_a_store_that_cannot_be_read_is_nothing_known(store: Any) -> None:
    async with create_cache_fabric("memory", store=store("n")) as fabric:
        assert await fabric.known_context("k") is None


async def test_several_are_as_they_were_at_one_revision(fabric: CacheFabric) -> None:
    """A publisher changes both at once, as fast as it can; no reader sees one of them changed."""

    async def publish() -> None:
        for number in range(100):
            async with fabric.publish() as bundle:
                bundle.set_context("a", f"{number}")
                bundle.set_context("b", f"{number}")

    publishing = asyncio.create_task(publish())
    seen = set()
    while not publishing.done():
        one, other = await fabric.known_contexts(["a", "b"])
        assert (one and one.value) == (other and other.value)
        seen.add(one and one.value)
        await asyncio.sleep(0)
    await publishing
    assert len(seen) > 1
    later = await asyncio.to_thread(fabric.sync.known_contexts, ["a", "missing"])
    assert [entry and entry.value for entry in later] == ["99", None]
