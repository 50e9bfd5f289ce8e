"""The promises of a store as a test class to inherit; a store exists when this passes on it.

A driver's whole test is a subclass with one fixture::

    class TestMyStore(StoreContract):
        durable = True

        @pytest.fixture
        def make_store(self, tmp_path, clock):
            def make(namespace, log_limit):
                return MyStore(tmp_path / "data", namespace, clock=clock, log_limit=log_limit)

            return make

``make_store`` gives a function that makes a store, not opened, always in the same place within a
test; the suite opens and closes what it makes. The suite refuses to be weakened: a subclass that
replaces a standard test is an error where it is defined, unless the replacement is marked
``@pytest.mark.xfail(reason="...")``. Needs pytest and pytest-asyncio (in any mode).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
import pytest_asyncio

from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.documents import Document, Query
from cache_fabric.testing._guarded import refuse_weakening
from cache_fabric.testing._store_cache_half import CacheHalf
from cache_fabric.testing._store_document_half import DocumentHalf
from cache_fabric.testing._store_document_search import DocumentSearch
from cache_fabric.testing._store_one_step import OneStep
from cache_fabric.testing._store_record_half import RecordHalf
from cache_fabric.testing._store_suite import ManualClock, OpenStore

__all__ = ["MakeStore", "ManualClock", "StoreContract"]


class MakeStore(Protocol):
    """Makes a store in the place of this test, not opened, of a namespace and log length."""

    def __call__(self, namespace: str, log_limit: int) -> Store: ...


_AFTER_CLOSE: dict[str, Callable[[Store], Coroutine[Any, Any, object]]] = {
    "get": lambda store: store.get("k"),
    "get_many": lambda store: store.get_many(["k"]),
    "set_many": lambda store: store.set_many([Write("k", b"v")]),
    "add": lambda store: store.add("k", b"v", 60),
    "remove_if": lambda store: store.remove_if("k", b"v"),
    "delete": lambda store: store.delete(["k"]),
    "scan": lambda store: _scanned(store),
    "clear": lambda store: store.clear(""),
    "read": lambda store: store.read(["k"]),
    "records": lambda store: store.records(""),
    "commit": lambda store: store.commit([Write("k", b"v")], note=b""),
    "changes": lambda store: store.changes(0),
    "wait": lambda store: store.wait(0, 0.01),
    "scrub": lambda store: store.scrub(),
    "put": lambda store: store.documents.put("x", [Document(key="k", value=b"v", at=1)]),
    "mark": lambda store: store.documents.mark("x", "k", terms=frozenset(), numbers={}),
    "get a document": lambda store: store.documents.get("x", ["k"]),
    "blobs": lambda store: store.documents.blobs(["k"]),
    "find": lambda store: store.documents.find("x", Query()),
    "count": lambda store: store.documents.count("x", Query()),
    "delete a document": lambda store: store.documents.delete("x", ["k"]),
}


class StoreContract(CacheHalf, OneStep, RecordHalf, DocumentHalf, DocumentSearch):
    """Every promise of `cache_fabric.stores.base.Store`; subclass it and give ``make_store``.

    Attributes:
        durable: What one store wrote is there for the next one made in the same place, also while
            both are open. Where it is false the suite checks that a new store starts empty.
        ttl: Seconds to live of the keys that the suite lets expire. Make it small in a store whose
            clock cannot be set, and let `pass_time` really wait.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_weakening(cls, StoreContract, "store")

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock to hand to the store; starts at the real time, for those that cannot."""
        return ManualClock(time.time())

    @pytest_asyncio.fixture
    async def open_store(self, make_store: MakeStore) -> AsyncIterator[OpenStore]:
        """Opens stores in the place of this test and closes them after it."""
        async with AsyncExitStack() as stack:

            async def open_one(namespace: str = "contract", log_limit: int = 1000) -> Store:
                store = make_store(namespace, log_limit)
                stack.push_async_callback(store.aclose)
                await store.open()
                return store

            yield open_one

    @pytest_asyncio.fixture
    async def store(self, open_store: OpenStore) -> Store:
        """The store under test, open and empty."""
        return await open_store()

    async def test_it_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)
        assert store.name

    async def test_opening_twice_is_fine_and_keeps_everything(self, store: Store) -> None:
        await store.set_many([Write("k", b"v")])
        await store.open()
        assert await store.get("k") == b"v"

    async def test_closing_twice_is_fine(self, store: Store) -> None:
        await store.aclose()
        await store.aclose()

    @pytest.mark.parametrize("operation", sorted(_AFTER_CLOSE))
    async def test_a_closed_store_is_unavailable(self, store: Store, operation: str) -> None:
        await store.aclose()
        with pytest.raises(BackendUnavailable) as raised:
            await _AFTER_CLOSE[operation](store)
        assert raised.value.backend == store.name

    async def test_closing_ends_a_wait(self, store: Store) -> None:
        waiting = asyncio.create_task(store.wait(0, 3600))
        await asyncio.sleep(0)
        await store.aclose()
        with pytest.raises(BackendUnavailable):
            await asyncio.wait_for(waiting, 30)

    async def test_the_next_store_finds_cache_entries_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        await store.set_many([Write("k", b"v")])
        await store.aclose()
        assert await (await open_store()).get("k") == (b"v" if self.durable else None)

    async def test_the_next_store_finds_records_and_log_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        await store.commit([Write("k", b"v")], note=b"first")
        before = await store.records(""), await store.changes(0)
        await store.aclose()
        after = await open_store()
        assert (before == (await after.records(""), await after.changes(0))) is self.durable

    async def test_the_next_store_counts_on_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        await store.commit([], note=b"first")
        await store.aclose()
        assert await (await open_store()).commit([], note=b"next") == (2 if self.durable else 1)

    async def test_time_to_live_outlasts_the_store(
        self, store: Store, open_store: OpenStore, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"v", ttl=self.ttl)])
        await store.aclose()
        await self.pass_time(clock, self.ttl)
        assert await (await open_store()).get("k") is None


async def _scanned(store: Store) -> list[tuple[str, bytes]]:
    return [item async for item in store.scan("")]
