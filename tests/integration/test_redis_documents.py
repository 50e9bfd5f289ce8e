"""The index of documents in Redis: kept whole by everybody, found in, and gone in the end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from cache_fabric.errors import ValidationError
from cache_fabric.stores import _redis_documents as module
from cache_fabric.stores._redis_document_change import Change
from cache_fabric.stores._redis_document_facts import facts_of
from cache_fabric.stores._redis_keys import Layout
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Blob, Document, Query
from cache_fabric.stores.redis import RedisStore
from redis_contents import GOOD, PROMPT, check_index, contents, document
from servers import Server, running, running_cluster

CHANGE_FOR_A_WHILE = """
import asyncio, random, sys
from cache_fabric.stores.documents import Blob, Document
from cache_fabric.stores.redis import RedisStore

async def main(url, seed, rounds):
    store = RedisStore.from_url(url, "n")
    await store.open()
    chance = random.Random(seed)
    print("open", flush=True)
    for number in range(rounds):
        keys = [f"k{n}" for n in chance.sample(range(12), 4)]
        blobs = [Blob(key=f"b{n}", value=b"v", text="word") for n in range(chance.randrange(3))]
        terms = frozenset({("t", str(chance.randrange(3)))})
        documents = [
            Document(
                key=key, value=b"v", at=number, terms=terms, numbers={"n": chance.random()},
                text="own", blobs=blobs,
            )
            for key in keys
        ]
        await store.documents.put("x", documents)
        await store.documents.mark("x", keys[0], terms=terms, numbers={"m": number})
        await store.documents.delete("x", keys[1:3])
    await store.aclose()

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


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


async def test_nothing_is_left_when_every_document_is_deleted(
    server: Server, store: RedisStore
) -> None:
    await store.commit([Write("k", b"v")], note=b"")
    before = contents(server.admin)
    await store.documents.put("x", [document(n) for n in range(20)])
    await store.documents.put("f", [document(n) for n in range(20)])
    for number in range(20):
        await store.documents.mark("x", f"k{number}", terms=GOOD, numbers={"score": 0.5})
    await store.documents.put("x", [document(n, at=100 + n, tag="b") for n in range(10)])
    await store.documents.put("x", [Document(key="k11", value=b"", at=1)])
    check_index(server.admin, "n", "x", "f")
    assert await store.documents.delete("f", [f"k{n}" for n in range(20)]) == 20
    check_index(server.admin, "n", "x")
    assert await store.documents.delete("x", [f"k{n}" for n in range(20)]) == 20
    assert contents(server.admin) == before


async def test_documents_have_no_time_to_live(server: Server, store: RedisStore) -> None:
    await store.documents.put("x", [document(1)])
    assert {server.admin.ttl(key) for key in contents(server.admin)} == {-1}


async def test_a_change_begins_only_if_each_document_is_as_it_was_read(
    server: Server, store: RedisStore
) -> None:
    layout = Layout.of("n")
    await store.documents.put("x", [document(1), document(2)])
    facts = server.admin.hgetall(layout.kind("x").facts)
    stale = Change(layout, layout.kind("x"), b"token")
    for key in (b"k1", b"k2"):
        stale.facts(key, facts[key], None)
    await store.documents.mark("x", "k2", terms=GOOD, numbers={})
    before = contents(server.admin)
    async with redis.asyncio.Redis(port=server.port) as client:
        assert await stale.run(client) is None
    assert contents(server.admin) == before


async def test_a_change_begins_only_if_the_blobs_that_it_does_not_carry_are_there(
    server: Server, store: RedisStore
) -> None:
    layout = Layout.of("n")
    change = Change(layout, layout.kind("x"), b"token")
    change.facts(b"k", None, facts_of(Document(key="k", value=b"", at=1, blobs=[PROMPT]), None))
    change.body(b"k", b"", b"")
    async with redis.asyncio.Redis(port=server.port) as client:
        assert await change.run(client) is None
        assert contents(server.admin) == {}
        await store.documents.put("x", [document(1)])
        assert await change.run(client) == 0
    check_index(server.admin, "n", "x")


async def test_changes_of_one_document_at_once_all_happen(
    server: Server, store: RedisStore
) -> None:
    await asyncio.gather(
        *(store.documents.put("x", [document(n % 3, tag=f"{n}"), document(n)]) for n in range(30)),
        *(store.documents.mark("x", f"k{n % 3}", terms=GOOD, numbers={}) for n in range(30)),
        *(store.documents.delete("x", [f"k{n % 3}"]) for n in range(10)),
    )
    check_index(server.admin, "n", "x")


async def test_a_search_that_finds_little_gives_short_pages_and_goes_on(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STEPS_A_PAGE", 1)
    texts = {3: "needle", 1000: "needle"}
    for start in (0, 800):
        documents = [
            Document(key=f"{n:04}", value=b"", at=n, text=texts.get(n, "hay"))
            for n in range(start, start + 800)
        ]
        await store.documents.put("x", documents)
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        page = await store.documents.find("x", Query(text="needle"), after=cursor)
        pages.append([key for key, _ in page.items])
        cursor = page.cursor
    assert pages == [[], ["1000"], [], ["0003"]]
    assert await store.documents.count("x", Query(text="needle")) == 2


async def test_what_few_have_is_found_in_one_page_among_many(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STEPS_A_PAGE", 1)
    costly = (2, 4, 1550)
    for start in (0, 800):
        documents = [
            Document(key=f"{n:04}", value=b"", at=n, numbers={"cost": 9 if n in costly else 1})
            for n in range(start, start + 800)
        ]
        await store.documents.put("x", documents)
    rare = Query(least={"cost": 5}, until=1550)
    assert await keys_of(store, rare) == ["0004", "0002"]
    first = await store.documents.find("x", rare, limit=1)
    assert [key for key, _ in first.items] == ["0004"]
    second = await store.documents.find("x", rare, after=first.cursor, limit=1)
    assert ([key for key, _ in second.items], second.cursor) == (["0002"], None)
    assert await store.documents.count("x", rare) == 2


async def test_of_two_bodies_of_a_blob_in_one_put_the_first_is_kept(store: RedisStore) -> None:
    bodies = [Blob(key="b", value=value) for value in (b"first", b"second")]
    documents = [Document(key=f"{n}", value=b"", at=n, blobs=[bodies[n]]) for n in range(2)]
    await store.documents.put("x", documents)
    assert await store.documents.blobs(["b"]) == [b"first"]


async def test_more_documents_than_one_script_should_take_are_refused(
    server: Server, store: RedisStore
) -> None:
    with pytest.raises(ValidationError, match="at most 1000"):
        await store.documents.put("x", [document(n) for n in range(1001)])
    await store.documents.put("x", [document(n) for n in range(1000)])
    assert await store.documents.count("x", Query()) == 1000
    assert await store.documents.delete("x", [f"k{n}" for n in range(1000)]) == 1000
    assert contents(server.admin) == {}


async def test_a_mark_that_has_no_place_in_an_order_is_refused(store: RedisStore) -> None:
    await store.documents.put("x", [document(1)])
    with pytest.raises(ValidationError):
        await store.documents.mark("x", "k1", terms=frozenset(), numbers={"score": math.nan})


async def test_all_documents_of_a_namespace_are_in_one_slot_of_a_cluster(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        store = RedisStore(cluster.url, "{n}")
        await store.open()
        await store.documents.put("x", [document(n) for n in range(20)])
        await store.documents.put("{f}", [document(n) for n in range(20)])
        held = [contents(node.admin) for node in cluster.nodes]
        (keys,) = filter(None, held)
        (slot,) = {cluster.nodes[0].admin.execute_command("CLUSTER KEYSLOT", key) for key in keys}
        await store.commit([], note=b"")
        log = Layout.of("{n}").log
        assert cluster.nodes[0].admin.execute_command("CLUSTER KEYSLOT", log) == slot
        await store.aclose()


def changing(url: str, seed: int, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHANGE_FOR_A_WHILE, url, str(seed), str(rounds)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_processes_that_change_the_same_documents_and_are_killed_leave_a_whole_index(
    server: Server, store: RedisStore
) -> None:
    with contextlib.ExitStack() as stack:
        children = [changing(server.url, seed, rounds) for seed, rounds in ((1, 60), (2, 60))]
        killed = changing(server.url, 3, 100_000)
        for child in (*children, killed):
            stack.enter_context(child)
            stack.callback(child.kill)
        for child in (*children, killed):
            assert child.stdout is not None
            await asyncio.to_thread(child.stdout.readline)
        for child in children:
            assert await asyncio.to_thread(child.wait) == 0
        assert killed.poll() is None
        killed.kill()
        await asyncio.to_thread(killed.wait)
    check_index(server.admin, "n", "x")
    await store.documents.delete("x", [f"k{n}" for n in range(12)])
    assert contents(server.admin) == {}
