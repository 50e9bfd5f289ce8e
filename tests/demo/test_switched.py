"""Behind its switch a store fails as an unreachable one does, and is as it was afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cache_fabric.demo.switched import switched
from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.documents import Query
from cache_fabric.stores.memory import MemoryStore

CALLS: list[Callable[[Store], Awaitable[Any]]] = [
    lambda store: store.get("a"),
    lambda store: store.set_many([Write("a", b"2")]),
    lambda store: store.commit([], note=b""),
    lambda store: store.changes(0),
    lambda store: store.documents.count("x", Query()),
]


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_fails_while_it_is_off(call: Callable[[Store], Awaitable[Any]]) -> None:
    store, switch = switched(MemoryStore("n"))
    await store.open()
    switch.on = False
    with pytest.raises(BackendUnavailable):
        await call(store)
    switch.on = True
    await call(store)


async def test_nothing_that_was_kept_is_lost() -> None:
    store, switch = switched(MemoryStore("n"))
    await store.open()
    await store.set_many([Write("a", b"1")])
    switch.on = False
    with pytest.raises(BackendUnavailable):
        await store.set_many([Write("a", b"2")])
    switch.on = True
    assert await store.get("a") == b"1"


async def test_a_scan_ends_where_it_was_turned_off() -> None:
    store, switch = switched(MemoryStore("n"))
    await store.open()
    await store.set_many([Write("a", b"1"), Write("b", b"2")])
    scan = store.scan("")
    await anext(scan)
    switch.on = False
    with pytest.raises(BackendUnavailable):
        await anext(scan)


async def test_who_waits_meanwhile_is_told() -> None:
    store, switch = switched(MemoryStore("n"))
    await store.open()
    waiting = asyncio.ensure_future(store.wait(0, 30.0))
    await asyncio.sleep(0)
    switch.on = False
    inner: Any = store
    await inner._inner.commit([], note=b"")  # what wakes it up
    with pytest.raises(BackendUnavailable):
        await waiting


async def test_it_is_closed_while_it_is_off() -> None:
    store, switch = switched(MemoryStore("n"))
    await store.open()
    switch.on = False
    await store.aclose()
