"""How soon a process serves what another one changed, and that it says when it missed changes."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

import pytest

from cache_fabric import create_cache_fabric
from cache_fabric.instrumentation.events import ChangesEvent, Event, ResyncEvent
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.stores.base import Changes
from cache_fabric.stores.memory import MemoryStore


class Aged(MemoryStore):
    """Its commits are two seconds old when they are read."""

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        page = await super().changes(after, limit)
        older = [dataclasses.replace(item, at=item.at - 2.0) for item in page.items]
        return dataclasses.replace(page, items=tuple(older))


async def test_a_reader_measures_from_the_commit_until_it_serves_the_change(tmp_path: Path) -> None:
    store, heard = f"sqlite://{tmp_path / 'fabric.db'}", asyncio.Queue[Event]()
    loop = asyncio.get_running_loop()
    writer = create_cache_fabric("memory", store=store)
    reader = create_cache_fabric(
        "memory", store=store, hooks=[lambda e: loop.call_soon_threadsafe(heard.put_nowait, e)]
    )
    await writer.set_context("a", 0)
    await reader.get_context("a")  # what was there before it came is no change
    began = time.time()
    async with writer.publish() as bundle:
        bundle.set_context("a", 1)
        bundle.set_context("b", 1)
    async with asyncio.timeout(20):
        event = await heard.get()
    assert isinstance(event, ChangesEvent)
    assert (event.revision, event.count) == (2, 2)
    assert 0 <= event.seconds <= time.time() - began
    assert (await reader.get_context("a")).value == 1
    await writer.aclose()
    await reader.aclose()


async def test_what_was_measured_is_in_the_sums() -> None:
    fabric = create_cache_fabric("memory", store=Aged("n"))
    await fabric.set_context("k", 1)
    sums = fabric._metrics.totals()
    [count] = [n for name, n in sums.durations.items() if name.startswith("propagation.")]
    assert count == 1
    assert 2.0 <= sums.nanos["propagation"] / 1e9 < 12.0
    await fabric.aclose()


async def test_a_commit_that_comes_from_the_future_took_no_time() -> None:
    class Ahead(MemoryStore):
        async def changes(self, after: int, limit: int = 1000) -> Changes:
            page = await super().changes(after, limit)
            return dataclasses.replace(
                page, items=tuple(dataclasses.replace(i, at=i.at + 60) for i in page.items)
            )

    events: list[Event] = []
    fabric = create_cache_fabric("memory", store=Ahead("n"), hooks=[events.append])
    await fabric.set_context("k", 1)
    assert [event.seconds for event in events if isinstance(event, ChangesEvent)] == [0.0]
    await fabric.aclose()


async def test_verdicts_on_answers_are_no_changes_of_contexts() -> None:
    events: list[Event] = []
    async with create_cache_fabric("memory", hooks=[events.append]) as fabric:
        await fabric.set_context("k", 1)
        await fabric.invalidate(model="m")
        view = await fabric._life().contexts.live.catch_up(0)
    assert view.revision == 2
    assert [event.revision for event in events if isinstance(event, ChangesEvent)] == [1]


@pytest.mark.parametrize("missed", [False, True])
async def test_a_process_that_missed_changes_counts_it(missed: bool) -> None:
    store, events = MemoryStore("n", log_limit=3), list[Event]()
    writer = create_cache_fabric("memory", store=store)
    async with create_cache_fabric("memory", store=store, hooks=[events.append]) as reader, writer:
        await reader.get_context("k", 0)
        live = reader._life().contexts.live
        async with live._applying if missed else asyncio.Lock():  # it cannot read meanwhile
            for number in range(10):
                await writer.set_context("k", number)
                if not missed:
                    await live.catch_up(0)
        await live.catch_up(0)
        sums = reader._metrics.totals()
    resyncs = [event for event in events if isinstance(event, ResyncEvent)]
    assert resyncs == ([ResyncEvent(revision=10)] if missed else [])
    assert sums.resyncs == missed
    assert Totals.of(sums.plain()) == sums
