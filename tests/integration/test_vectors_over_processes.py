"""The semantic tier on plain Redis: what one process answered is found by meaning in another."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    create_cache_fabric,
)
from cache_fabric.errors import ConfigurationError
from cache_fabric.indexes._vector_log import Note
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.resident import ResidentIndex
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.base import Write
from cache_fabric.stores.redis import RedisStore
from cache_fabric.testing._index_suite import found, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract
from integration.test_chroma_processes import chroma_server
from servers import Server, eventually, running

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=30)
ASKED = "How do I return an item?"
ASKED_AGAIN = "How can I return an item?"

ANSWER = """
import sys
from cache_fabric import CacheRequest, Threshold, create_cache_fabric

index = sys.argv[3] if len(sys.argv) > 3 else "resident"
with create_cache_fabric("redis", url=sys.argv[1], index=index).sync as fabric:
    request = CacheRequest(model="m", messages=[{"role": "user", "content": sys.argv[2]}])
    fabric.get_or_call(request, lambda: "By post.")
    fabric.flush()
"""
CLEAR = """
import sys
from cache_fabric import create_cache_fabric

with create_cache_fabric("redis", url=sys.argv[1]).sync as fabric:
    assert fabric.clear() == 1
"""


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.flush()
    return shared_server


@pytest.fixture
async def fabric(server: Server) -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric(
        "redis", url=server.url, policy=Threshold(), config=PATIENT
    ) as fabric:
        yield fabric


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when an index of this process has caught up with a batch of another."""
    event = asyncio.Event()
    apply = StoredIndex.apply

    async def applied(self: StoredIndex, note: Note) -> None:
        await apply(self, note)
        event.set()

    monkeypatch.setattr(StoredIndex, "apply", applied)
    return event


async def elsewhere(script: str, *arguments: str) -> None:
    """Run a script in a process of its own, to its end."""
    command = [sys.executable, "-c", script, *arguments]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    await asyncio.to_thread(subprocess.run, command, env=paths, check=True)


def request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


async def test_an_answer_of_another_process_is_found_by_meaning(
    server: Server, fabric: CacheFabric, heard: asyncio.Event
) -> None:
    before = await fabric.lookup(request(ASKED_AGAIN))
    assert isinstance(before, Miss)
    await fabric.release(before.ticket)
    await elsewhere(ANSWER, server.url, ASKED)
    await heard.wait()
    hit = await fabric.lookup(request(ASKED_AGAIN))
    assert isinstance(hit, Hit)
    assert (hit.tier, hit.entry.payload) == ("semantic", "By post.")


async def test_a_process_that_comes_later_finds_it_too(server: Server) -> None:
    await elsewhere(ANSWER, server.url, ASKED)
    async with create_cache_fabric(
        "redis", url=server.url, policy=Threshold(), config=PATIENT
    ) as fabric:
        hit = await fabric.lookup(request(ASKED_AGAIN))
    assert isinstance(hit, Hit)
    assert hit.tier == "semantic"


async def test_what_another_process_cleared_is_found_no_more(
    server: Server, fabric: CacheFabric, heard: asyncio.Event
) -> None:
    await elsewhere(ANSWER, server.url, ASKED)
    await heard.wait()
    heard.clear()
    await elsewhere(CLEAR, server.url)
    await heard.wait()
    assert await fabric.search_similar(ASKED) == []


async def test_another_embedder_is_refused_and_says_what_to_do(server: Server) -> None:
    await elsewhere(ANSWER, server.url, ASKED)
    other = create_cache_fabric("redis", url=server.url, embedder=lambda text: [1.0, len(text)])
    with pytest.raises(ConfigurationError, match="cache-fabric reindex"):
        await other.open()
    await other.aclose()


async def test_answers_wake_no_follower_of_contexts(server: Server) -> None:
    await elsewhere(ANSWER, server.url, ASKED)
    store = RedisStore.from_url(server.url, "default")
    await store.open()
    assert (await store.changes(0)).head == 0
    await store.aclose()


@contextlib.asynccontextmanager
async def opened(server: Server) -> AsyncIterator[StoredIndex]:
    index = StoredIndex(lambda: RedisStore(server.url, "n"))
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    try:
        yield index
    finally:
        await index.aclose()


class TestStoredIndexInRedis(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, server: Server) -> AsyncIterator[VectorIndex]:
        async with opened(server) as index:
            yield index


async def test_a_vector_goes_from_redis_with_its_answer(server: Server) -> None:
    async with opened(server) as index:
        brief = dataclasses.replace(item_at(0, "a"), ttl=0.05)
        await index.upsert([brief, item_at(10, "b")])
        await asyncio.to_thread(
            eventually, lambda: not server.admin.exists("cf:n:c:v/a"), "the end of its time"
        )
        async with opened(server) as later:
            assert await found(later) == await found(index) == ["b"]


async def test_who_missed_changes_reads_everything_again(
    server: Server, heard: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_anew = StoredIndex.start_anew
    anew: list[StoredIndex] = []
    all_anew = asyncio.Event()

    async def started(self: StoredIndex) -> None:
        await start_anew(self)
        anew.append(self)
        if len(set(map(id, anew))) == 2:
            all_anew.set()

    monkeypatch.setattr(StoredIndex, "start_anew", started)
    async with opened(server) as reader, opened(server) as writer:
        await writer.upsert([item_at(0, "lost")])
        await heard.wait()
        heard.clear()
        server.flush()  # as after a fail-over, the log went back
        server.admin.client_kill_filter(_type="normal", skipme=True)
        await all_anew.wait()
        assert await found(reader) == await found(writer) == []
        await writer.upsert([item_at(0, "a")])
        await heard.wait()
        assert await found(reader) == ["a"]


async def test_what_is_no_vector_in_the_store_is_not_there(server: Server) -> None:
    server.admin.set("cf:n:c:v/junk", b"\xff\x00")
    server.admin.set("cf:n:c:v/short", b"\x93\xa1p\xc4\x04\x00\x00\x00\x00\xc0")
    server.admin.set("cf:n:c:v/nan", b"\x93\xa1p\xc4\x20" + 8 * b"\x00\x00\xc0\x7f" + b"\xc0")
    async with opened(server) as index:
        assert await index.count() == 0


async def test_whose_vectors_they_are_cannot_be_read(server: Server) -> None:
    async with opened(server):
        store = RedisStore(server.url, "n")
        await store.open()
        await store.commit([Write("about", b"\xff")], note=b"")
        await store.aclose()
    with pytest.raises(ConfigurationError, match="unknown embedder"):
        async with opened(server):
            pass


async def test_a_resident_partition_of_a_chroma_server_hears_of_others_by_redis(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.Event()
    apply = ResidentIndex.apply

    async def applied(self: ResidentIndex, note: Note) -> None:
        await apply(self, note)
        heard.set()

    monkeypatch.setattr(ResidentIndex, "apply", applied)
    with chroma_server(tmp_path) as port:
        index = f"chroma+http://127.0.0.1:{port}"
        async with create_cache_fabric(
            "redis", url=server.url, index=index, policy=Threshold(), config=PATIENT
        ) as fabric:
            resident = fabric._life().parts.index
            assert isinstance(resident, ResidentIndex)
            before = await fabric.lookup(request(ASKED_AGAIN))
            assert isinstance(before, Miss)
            await fabric.release(before.ticket)
            assert await resident.warm(before.ticket.keys.partition)
            await elsewhere(ANSWER, server.url, ASKED, index)
            await heard.wait()
            hit = await fabric.lookup(request(ASKED_AGAIN))
            assert before.ticket.keys.partition in resident.resident
    assert isinstance(hit, Hit)
    assert (hit.tier, hit.entry.payload) == ("semantic", "By post.")


def test_the_preset_keeps_its_vectors_on_a_plain_folder_server_too(tmp_path: Path) -> None:
    """The embedded server is shared by the store and the vectors of one process."""
    with create_cache_fabric(
        "redis", url=f"embedded://{tmp_path / 's'}", policy=Threshold(), config=PATIENT
    ).sync as f:
        f.get_or_call(request(ASKED), lambda: "By post.")
        f.flush()
        assert f.get_or_call(request(ASKED_AGAIN), lambda: "not called") == "By post."
