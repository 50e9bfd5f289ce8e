"""The store contract on the drivers that need no server, and the contract's own teeth."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing.stores import MakeStore, ManualClock, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def make_store(self, clock: ManualClock) -> MakeStore:
        def make(namespace: str, log_limit: int) -> MemoryStore:
            return MemoryStore(namespace, clock=clock, log_limit=log_limit)

        return make


class TestSqliteStore(StoreContract):
    durable = True

    @pytest.fixture
    def make_store(self, tmp_path: Path, clock: ManualClock) -> MakeStore:
        def make(namespace: str, log_limit: int) -> SqliteStore:
            path = tmp_path / "folder" / "store.db"
            return SqliteStore(path, namespace, clock=clock, log_limit=log_limit)

        return make


def test_replacing_a_standard_test_is_an_error() -> None:
    with pytest.raises(TypeError, match="test_an_absent_key_is_none"):

        class Weakened(StoreContract):
            async def test_an_absent_key_is_none(self, store: Store) -> None: ...


def test_removing_a_standard_test_is_an_error() -> None:
    with pytest.raises(TypeError, match="test_revisions_grow_by_one"):
        type("Weakened", (StoreContract,), {"test_revisions_grow_by_one": None})


def test_hiding_a_standard_test_behind_a_mixin_is_an_error() -> None:
    class Mixin:
        async def test_closing_twice_is_fine(self, store: Store) -> None: ...

    with pytest.raises(TypeError, match="test_closing_twice_is_fine"):
        type("Weakened", (Mixin, StoreContract), {})


def test_an_xfail_needs_a_reason() -> None:
    @pytest.mark.xfail
    async def unexplained(self: StoreContract, store: Store) -> None: ...

    with pytest.raises(TypeError, match="test_revisions_grow_by_one"):
        type("Weakened", (StoreContract,), {"test_revisions_grow_by_one": unexplained})


def test_an_explained_xfail_is_allowed() -> None:
    @pytest.mark.xfail(reason="the backend reuses revisions: issue 12")
    async def explained(self: StoreContract, store: Store) -> None: ...

    body = {"test_revisions_grow_by_one": explained}
    assert issubclass(type("Honest", (StoreContract,), body), StoreContract)


@pytest.mark.parametrize("log_limit", [0, -1])
def test_a_log_of_no_length_is_refused(tmp_path: Path, log_limit: int) -> None:
    with pytest.raises(ConfigurationError, match="log_limit"):
        MemoryStore("n", log_limit=log_limit)
    with pytest.raises(ConfigurationError, match="log_limit"):
        SqliteStore(tmp_path / "store.db", "n", log_limit=log_limit)


async def test_a_closed_store_does_not_open_again(tmp_path: Path) -> None:
    for store in (MemoryStore("n"), SqliteStore(tmp_path / "store.db", "n")):
        await store.open()
        await store.aclose()
        with pytest.raises(BackendUnavailable, match="make a new one"):
            await store.open()


async def test_expired_entries_leave_the_memory() -> None:
    clock = ManualClock(1_000.0)
    store = MemoryStore("n", clock=clock)
    value = bytes(10)
    await store.set_many([Write("for ever", b"v")])
    await store.set_many([Write(f"k{number}", value, ttl=1) for number in range(1000)])
    clock.advance(1)
    for _ in range(500):
        await store.set_many([Write("new", b"v")])
    assert sys.getrefcount(value) < 10


async def test_a_wait_that_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    for store in (MemoryStore("n"), SqliteStore(tmp_path / "store.db", "n")):
        await store.open()
        for _ in range(50):
            await store.wait(0, 0)
        gc.collect()
        # `isinstance` would ask every object of the process, hostile ones of other tests too.
        assert sum(type(thing) is asyncio.Event for thing in gc.get_objects()) < 50
        await store.aclose()


async def test_a_store_serves_several_loops_one_after_the_other(tmp_path: Path) -> None:
    sqlite = SqliteStore(tmp_path / "store.db", "n")
    for store in (MemoryStore("n"), sqlite):
        await store.open()

        async def wait_and_commit(store: Store = store) -> bool:
            assert await store.wait(1000, 0.01) is False
            waiting = asyncio.create_task(store.wait((await store.changes(0)).head, 60))
            await asyncio.sleep(0)
            await store.commit([], note=b"")
            return await waiting

        assert await asyncio.to_thread(asyncio.run, wait_and_commit())
        assert await wait_and_commit()
        await store.aclose()
