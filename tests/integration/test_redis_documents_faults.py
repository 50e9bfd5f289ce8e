"""What Redis can do to documents: be full, lose an answer, restart, forget, cut connections."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cache_fabric.errors import BackendError, BackendUnavailable
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Query
from cache_fabric.stores.redis import RedisStore
from lost_answers import losing_an_answer
from redis_contents import GOOD, check_index, contents, document
from servers import Server, running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    shared.flush()
    return shared


@pytest.fixture
async def store(server: Server) -> AsyncIterator[RedisStore]:
    async with contextlib.aclosing(RedisStore(server.url, "n")) as store:
        await store.open()
        yield store


async def keys_of(store: RedisStore, query: Query) -> list[str]:
    return [key for key, _ in (await store.documents.find("x", query, limit=100)).items]


async def test_a_full_server_refuses_a_change_as_a_whole(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        store = RedisStore(server.url, "n")
        await store.open()
        await store.documents.put("x", [document(n) for n in range(10)])
        before = contents(server.admin)
        server.admin.config_set("maxmemory", 1)
        with pytest.raises(BackendUnavailable, match="maxmemory"):
            await store.documents.put("x", [document(n, tag="b") for n in range(5, 15)])
        with pytest.raises(BackendUnavailable, match="maxmemory"):
            await store.documents.mark("x", "k1", terms=GOOD, numbers={})
        assert contents(server.admin) == before
        assert await store.documents.delete("x", [f"k{n}" for n in range(10)]) == 10
        assert contents(server.admin) == {}
        await store.aclose()


async def test_a_server_that_becomes_full_meanwhile_lets_a_put_run_to_its_end(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        store = RedisStore(server.url, "n")
        await store.open()
        await store.documents.put("x", [document(0)])
        room = server.admin.info("memory")["used_memory"] + 300_000
        server.admin.config_set("maxmemory", room)
        put = 0
        with pytest.raises(BackendUnavailable, match="maxmemory"):
            while put < 20_000:
                batch = [document(n) for n in range(put, put + 100)]
                await store.documents.put("x", batch)
                put += 100
        assert put > 0
        server.admin.config_set("maxmemory", 0)
        check_index(server.admin, "n", "x")
        assert await store.documents.count("x", Query()) == put
        await store.aclose()


async def test_no_cache_pressure_evicts_a_document(tmp_path: Path) -> None:
    limits = ("--maxmemory", "12mb", "--maxmemory-policy", "volatile-lru")
    with running(tmp_path, *limits) as server:
        store = RedisStore(server.url, "n")
        await store.open()
        await store.documents.put("x", [document(n) for n in range(100)])
        for number in range(36):
            await store.set_many([Write(f"{number}/{n}", bytes(10_000)) for n in range(100)])
        assert server.admin.info()["evicted_keys"] > 0
        assert await store.documents.count("x", Query()) == 100
        check_index(server.admin, "n", "x")
        await store.aclose()


async def test_a_delete_whose_answer_was_lost_is_counted_once(
    server: Server, store: RedisStore
) -> None:
    await store.documents.put("x", [document(n) for n in range(3)])
    async with losing_an_answer(server.port, to=b"\xa4HDEL") as (url, way):
        far = RedisStore(url, "n")
        await far.open()
        assert await far.documents.delete("x", ["k0", "k1", "none"]) == 2
        assert way.has_lost
        await far.aclose()
    check_index(server.admin, "n", "x")


async def test_a_put_whose_answer_was_lost_counts_no_name_twice(
    server: Server, store: RedisStore
) -> None:
    await store.documents.put("x", [document(0)])
    async with losing_an_answer(server.port, to=b"\xa4ZADD") as (url, way):
        far = RedisStore(url, "n")
        await far.open()
        await far.documents.put("x", [document(n) for n in range(3)])
        assert way.has_lost
        await far.aclose()
    check_index(server.admin, "n", "x")
    await store.documents.delete("x", [f"k{n}" for n in range(3)])
    assert contents(server.admin) == {}


async def test_documents_outlive_a_killed_server_that_syncs_always(tmp_path: Path) -> None:
    with running(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        store = RedisStore(server.url, "n")
        await store.open()
        for number in range(20):
            await store.documents.put("x", [document(number)])
        await store.documents.mark("x", "k7", terms=GOOD, numbers={"score": 1})
        before = contents(server.admin)
        server.end(signal.SIGKILL)
        with pytest.raises(BackendUnavailable, match=str(server.port)):
            await store.documents.find("x", Query())
        server.start()
        assert contents(server.admin) == before
        assert await keys_of(store, Query(terms=GOOD, text="support", least={"score": 1})) == ["k7"]
        await store.aclose()


async def test_a_server_that_forgot_its_scripts_gets_them_again(
    server: Server, store: RedisStore
) -> None:
    await store.documents.put("x", [document(1)])
    server.admin.script_flush()
    await store.documents.put("x", [document(2)])
    server.admin.script_flush()
    assert await keys_of(store, Query()) == ["k2", "k1"]
    server.admin.script_flush()
    assert await keys_of(store, Query(least={"cost": 2})) == ["k2"]
    server.admin.script_flush()
    assert await store.documents.delete("x", ["k1", "k2"]) == 2


async def test_changes_go_on_after_cut_connections(server: Server, store: RedisStore) -> None:
    deleted = 0
    for number in range(60):
        if number % 5 == 0:
            await asyncio.to_thread(server.admin.client_kill_filter, _type="normal", skipme=True)
        await store.documents.put("x", [document(number)])
        if number % 2:
            deleted += await store.documents.delete("x", [f"k{number}", f"k{number - 1}"])
    assert deleted == 60
    assert contents(server.admin) == {}


async def test_a_closed_port_is_a_fault_of_the_backend(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        store = RedisStore(server.url, "n")
        await store.open()
        server.end(signal.SIGKILL)
        for job in (
            store.documents.put("x", [document(1)]),
            store.documents.get("x", ["k1"]),
            store.documents.count("x", Query(text="word")),
            store.scrub(),
        ):
            with pytest.raises(BackendError):
                await job
        await store.aclose()
