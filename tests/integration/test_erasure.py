"""After an erasure no byte of a subject is in any file or key, but what the receipt names.

Each kind of data holds a word of its own, of a tenant's user who is erased and of another who
stays. A second process holds copies meanwhile. Then everything is closed, and all files are
searched, in UTF-8 and UTF-16.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ContextScope,
    Hit,
    Miss,
)
from cache_fabric.receipt import Receipt
from cache_fabric.stores.redis import RedisStore
from erasure_places import NAMESPACE, Place, embedded, local, redis

TENANT, USER, RUN = ContextScope.TENANT, ContextScope.USER, ContextScope.EXECUTION
LOGGED = ("tenant", "user", "author", "message", "contextkey")
"""What the change log says of a context until it is trimmed."""


@pytest.fixture(params=[local, redis, embedded])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "kept"
    folder.mkdir()
    yield from request.param(folder)


class Person:
    """A user of a tenant, with a word for each kind of data."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.words: dict[str, str] = {}
        self.tenant, self.user = self("tenant"), self("user")
        self.owner: dict[str, Any] = {"tenant": self.tenant, "user": self.user}
        self.asked: dict[str, CacheRequest] = {}

    def __call__(self, kind: str) -> str:
        return self.words.setdefault(kind, f"{self.name}{kind}canary")

    def request(self, kind: str, question: str) -> CacheRequest:
        system = {"role": "system", "content": f"You are {self('systemprompt')}."}
        asks = {"role": "user", "content": f"{question} {self(kind)}?"}
        self.asked[kind] = CacheRequest(model="m", messages=[system, asks], **self.owner)
        return self.asked[kind]


async def fill(fabric: CacheFabric, one: Person) -> None:
    """Leave something of every kind."""
    for value in ("older", f"You are {one('systemprompt')}."):
        await fabric.set_context(
            "prompt", value, TENANT, {"note": one("metadata")}, tenant=one.tenant
        )
    await fabric.set_context(
        one("contextkey"),
        {"deep": [one("contextvalue")]},
        USER,
        **one.owner,
        author=one("author"),
        message=one("message"),
    )
    ids = {
        kind: await answered(fabric, one.request(kind, question), f"It is {one(kind + 'answer')}.")
        for kind, question in {
            "question": "How do I send back item",
            "retired": "When does the shop open for",
            "pinned": "Who is the owner of house",
        }.items()
    }
    await fabric.retire_answer(ids["retired"], by=one.user, why=one("why"))
    await fabric.pin_answer(ids["pinned"], answer=one("pinnedtext"), by=one.user)
    unnamed = CacheRequest(model="m", messages=[{"role": "user", "content": one("unnamed")}])
    one.asked["unnamed"] = unnamed
    made = await answered(fabric, unnamed, "x")
    hit = await fabric.lookup(one.asked["question"])
    assert isinstance(hit, Hit)
    run = f"run {one.name}"
    await fabric.track_execution(
        run,
        "graph",
        {
            "input": one("input"),
            "output": one("output") + " long" * 200,
            "error": one("error"),
            "steps": [{"kind": "tool", "arguments": {one("argument"): 1}}],
            "cache": [{"outcome": "miss", "entry_id": made}],
        },
        tags=[one("tag")],
        answers=[hit],
        **one.owner,
        durable=True,
    )
    await fabric.set_context("scratch", one("scratch"), RUN, execution_id=run)
    said = {"comment": one("comment"), "annotator_id": one.user, "user_rating": 5}
    await fabric.record_feedback(run, {**said, "label": one("label")})
    going_on = fabric.start_execution("graph", input=one("openinput"), **one.owner)
    going_on.step("model", "m", output=one("openstep"))
    fabric.store_values("nodes", (one.tenant, ["graph"]), {"state": one("nodevalue")})
    fabric.store_values("embeddings", {"model": "e"}, {one("embedded"): [0.5, 0.25]})
    await fabric.flush()


async def answered(fabric: CacheFabric, request: CacheRequest, text: str) -> str:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    entry_id = await fabric.store(missed.ticket, text)
    assert entry_id is not None
    await fabric.flush()
    return entry_id


def started(given: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "erasure_peer", json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@contextlib.asynccontextmanager
async def peer(place: Place, *people: Person) -> AsyncIterator[Callable[[], Any]]:
    """Another process with copies of the answers; yields what reads its next line."""
    asked = [
        {"model": r.model, "messages": r.messages, "tenant": r.tenant, "user": r.user}
        for one in people
        for r in (one.asked["question"],)
    ]
    tenants = [one.tenant for one in people]
    given = {"store": place.url, "namespace": NAMESPACE, "asked": asked, "tenants": tenants}
    process = started(given)

    async def line() -> Any:
        assert process.stdout is not None
        return json.loads(await asyncio.to_thread(process.stdout.readline))

    try:
        yield line
    finally:
        await asyncio.to_thread(process.communicate)


def traces(place: Place, one: Person, vectors: list[bytes]) -> dict[str, set[str]]:
    """Which words, and vectors, of somebody are in which files."""
    found: dict[str, set[str]] = {}
    for file in place.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes()
            for kind, word in one.words.items():
                forms = (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"))
                if any(form in data for form in forms):
                    found.setdefault(kind, set()).add(file.name)
            if any(vector in data for vector in vectors):
                found.setdefault("vector", set()).add(file.name)
    return found


async def keyed(place: Place, one: Person) -> set[str]:
    """Which words of somebody are in keys or values of a Redis."""
    store = place.stores[-1]
    if not isinstance(store, RedisStore):
        return set()
    client: Any = store._patient("scan").client
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
    }
    whole = ""
    async for key in client.scan_iter():
        whole += repr((key, await readers[await client.type(key)](key)))
    return {kind for kind, word in one.words.items() if word in whole}


@contextlib.asynccontextmanager
async def opened(place: Place) -> AsyncIterator[CacheFabric]:
    """A fabric on this loop, where its store is closed after it; then no server runs any more."""
    try:
        async with place.open() as fabric:
            yield fabric
    finally:
        for part in (*place.indexes, *place.stores):
            await part.aclose()
        if place.server is not None:
            place.server.end()


async def embedded_bytes(fabric: CacheFabric, one: Person) -> list[bytes]:
    questions = [request.messages[-1]["content"] for request in one.asked.values()]
    rows = await fabric._run(lambda life: life.engine.semantic.embed(questions))
    return [row.tobytes() for row in rows]


async def is_all_there(fabric: CacheFabric, one: Person) -> None:
    """Nothing of somebody else is gone."""
    for kind in ("question", "pinned", "unnamed"):
        assert isinstance(await fabric.lookup(one.asked[kind]), Hit), kind
    near = one.asked["question"].messages[-1]["content"].replace("send back", "return")
    found = await fabric.search_similar(near, 3, tenant=one.tenant)
    assert any(one("question") in str(item.metadata.get("question")) for item in found)
    context = await fabric.get_context("prompt", scope=TENANT, tenant=one.tenant, version=2)
    assert one("systemprompt") in context.value
    assert await fabric.get_context("scratch", scope=RUN, execution_id=f"run {one.name}")
    for word in ("input", "output", "error"):
        [run] = await fabric.search_executions(one(word))
        assert run.execution_id == f"run {one.name}"
    whole = await fabric.get_execution(f"run {one.name}")
    assert whole is not None
    assert [said.data["comment"] for said in whole.feedback] == [one("comment")]
    assert await fabric.lookup_values("nodes", (one.tenant, ["graph"]), ["state"]) == [
        one("nodevalue")
    ]


def said_of_log(receipt: Receipt) -> bool:
    return any("in the change log name" in one.what for one in receipt.remaining)


@pytest.mark.parametrize("whose", ["tenant", "user"])
async def test_nothing_of_a_subject_is_readable_anywhere(place: Place, whose: str) -> None:
    gone, staying = Person("gone"), Person("stays")
    may_stay, there = {*LOGGED, *outside(whose)}, expected(place)
    async with opened(place) as fabric:
        for one in (gone, staying):
            await fill(fabric, one)
        if whose == "user":  # what a user says of others goes with the user
            said = {"comment": gone("elsewhere"), "annotator_id": gone.user}
            await fabric.record_feedback("run stays", said)
        vectors = await embedded_bytes(fabric, gone)
        async with peer(place, gone, staying) as line:
            assert await line() == {"hits": [True, True], "contexts": [True, True]}
            receipt = await fabric.erase(**{whose: gone(whose)})  # type: ignore[arg-type]
            assert receipt.complete
            left = await line()
            assert left["hits"] == [False, True]
            assert left["contexts"] == [whose == "user", True]
        assert said_of_log(receipt)
        await is_all_there(fabric, staying)
        assert await keyed(place, gone) <= may_stay
        assert place.packs or await keyed(place, staying) >= there  # or it would prove nothing
    found = traces(place, gone, vectors)
    assert not {kind: files for kind, files in found.items() if kind not in may_stay}
    assert place.squeezes or traces(place, staying, []).keys() >= there


def expected(place: Place) -> set[str]:
    """Words of who stays that are found as they are."""
    kept = {"question", "questionanswer", "systemprompt", "scratch", "pinnedtext", "nodevalue"}
    return kept if place.packs else kept | {"input", "comment"}


def outside(whose: str) -> set[str]:
    """What is the tenant's and no user's."""
    return {"systemprompt", "metadata", "nodevalue", "tenant"} if whose == "user" else set()


async def test_the_names_are_gone_when_the_log_was_trimmed(place: Place) -> None:
    gone = Person("gone")
    async with opened(place) as fabric:
        await fill(fabric, gone)
        assert said_of_log(await fabric.erase(tenant=gone.tenant))
        for number in range(place.stores[-1].log_span + 1):
            await fabric.set_context("filler", number)
        again = await fabric.erase(tenant=gone.tenant)
        assert again.complete
        assert not said_of_log(again)
        assert not await keyed(place, gone)
    assert not traces(place, gone, [])
