"""A subject is erased in every place, by itself, again if need be, and the receipt says how far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ContextScope,
    FabricConfig,
    Hit,
    Miss,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable, IncompleteErasure, ValidationError
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.receipt import ErasedPlace, Receipt
from cache_fabric.stores.base import Write
from cache_fabric.stores.memory import MemoryStore

Ask = Callable[..., CacheRequest]
RETURN, HOURS = "How do I return an item?", "When does the shop open?"
PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


async def answered(fabric: CacheFabric, request: CacheRequest) -> str:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    entry_id = await fabric.store(missed.ticket, "x")
    assert entry_id is not None
    return entry_id


async def kept(fabric: CacheFabric, request: CacheRequest) -> bool:
    result = await fabric.lookup(request)
    if isinstance(result, Miss):
        await fabric.release(result.ticket)
    return isinstance(result, Hit)


def counts(receipt: Receipt) -> dict[str, int | None]:
    return {place.name: place.count for place in receipt.places if place.name != "deleted bytes"}


async def vectors(fabric: CacheFabric) -> int:
    await fabric.flush()
    return await fabric._life().parts.index.count()


class Shared:
    """Fabrics that see the same store, as processes do."""

    def __init__(self, **options: Any) -> None:
        self.store = MemoryStore("n", **options)
        self.made: list[CacheFabric] = []

    def fabric(self) -> CacheFabric:
        self.made.append(create_cache_fabric("memory", store=self.store, config=PATIENT))
        return self.made[-1]


@pytest.fixture
async def shared() -> AsyncIterator[Shared]:
    place = Shared(log_limit=30)
    yield place
    for fabric in place.made:
        await fabric.aclose()


@pytest.mark.parametrize(
    ("subject", "stays"),
    [
        ({"tenant": "acme"}, [("globex", "alice"), (None, "alice")]),
        ({"user": "alice"}, [("acme", "bob"), ("acme", None)]),
        ({"tenant": "acme", "user": "alice"}, [("acme", "bob"), ("globex", "alice")]),
    ],
)
async def test_answers_go_from_every_tier_and_others_stay(
    any_fabric: CacheFabric, ask: Ask, subject: dict[str, Any], stays: list[tuple[str, str]]
) -> None:
    gone = ask(RETURN, tenant="acme", user="alice")
    await answered(any_fabric, gone)
    for tenant, user in stays:
        await answered(any_fabric, ask(RETURN, tenant=tenant, user=user))
    receipt = await any_fabric.erase(**subject)
    assert receipt.complete
    assert counts(receipt)["answers"] == counts(receipt)["vectors"] == 1
    assert not await kept(any_fabric, gone)
    for tenant, user in stays:
        assert await kept(any_fabric, ask(RETURN, tenant=tenant, user=user))
    assert await vectors(any_fabric) == len(stays)


async def test_an_answer_is_a_users_if_a_run_of_the_user_made_it(
    fabric: CacheFabric, ask: Ask
) -> None:
    made, hit, others = ask(RETURN), ask(HOURS), ask("Another question", user="bob")
    ids = [await answered(fabric, request) for request in (made, hit, others)]
    said = [
        {"outcome": outcome, "entry_id": entry_id}
        for outcome, entry_id in zip(("miss", "hit", "miss"), ids, strict=True)
    ]
    await fabric.track_execution("run", "graph", {"steps": [{"cache": said}]}, user="alice")
    receipt = await fabric.erase(user="alice")
    assert counts(receipt)["answers"] == 1
    assert not await kept(fabric, made)
    assert await kept(fabric, hit)
    assert await kept(fabric, others)  # bob's name is on it, whatever a run of alice claims
    assert await fabric.get_execution("run") is None


async def test_contexts_go_with_every_version_and_others_stay(fabric: CacheFabric) -> None:
    tenant, user, run = ContextScope.TENANT, ContextScope.USER, ContextScope.EXECUTION
    await fabric.track_execution("run", "graph", {}, tenant="acme")
    await fabric.track_execution("other run", "graph", {}, tenant="globex")
    owners: list[tuple[ContextScope, dict[str, Any]]] = [
        (tenant, {"tenant": "acme"}),
        (user, {"tenant": "acme", "user": "alice"}),
        (run, {"execution_id": "run"}),
        (tenant, {"tenant": "globex"}),
        (user, {"user": "alice"}),
        (run, {"execution_id": "other run"}),
        (ContextScope.GLOBAL, {}),
    ]
    for scope, owner in owners:
        for text in ("one", "two"):
            await fabric.set_context("prompt", text, scope, **owner)
    receipt = await fabric.erase(tenant="acme")
    assert counts(receipt)["contexts"] == 3
    for scope, owner in owners[:3]:
        assert await fabric.get_context("prompt", scope=scope, **owner) is None
    for scope, owner in owners[3:]:
        for version, text in ((1, "one"), (2, "two")):
            entry = await fabric.get_context("prompt", scope=scope, version=version, **owner)
            assert entry.value == text
    records = await fabric._run(lambda life: life.parts.store.records(""))
    assert not [record.key for record in records if "acme" in record.key]


async def test_another_process_lets_go_of_contexts_and_memories(shared: Shared, ask: Ask) -> None:
    one, other = shared.fabric(), shared.fabric()
    scope = ContextScope.TENANT
    owner: dict[str, Any] = {"tenant": "acme"}
    for text in ("first", "a text"):
        await one.set_context("prompt", text, scope, **owner)
    await one.set_context("prompt", "a text", tenant=None)
    assert await other.get_context("prompt", scope=scope, **owner)
    assert await other.get_context("prompt", scope=scope, version=1, **owner)
    mine = ask(RETURN, tenant="acme")
    await answered(other, mine)
    heard = asyncio.Event()
    other.on("erased", lambda *_: heard.set())
    await one.erase(tenant="acme")
    async with asyncio.timeout(30):
        while not heard.is_set():
            await asyncio.sleep(0.001)
    assert await other.get_context("prompt", scope=scope, **owner) is None
    assert await other.get_context("prompt")
    assert not list(other._life().decisions._all())
    assert not other._life().engine.hot.keys()
    for text in ("anew", "and newer"):
        await one.set_context("prompt", text, scope, **owner)
    await other._run(lambda life: life.contexts.live.catch_up(0))
    found = await other.get_context("prompt", scope=scope, version=1, **owner)
    assert found is not None
    assert found.value == "anew"


async def test_the_values_of_a_tenant_go_in_every_process(shared: Shared) -> None:
    one, other = shared.fabric(), shared.fabric()
    await one.open()
    await other.get_context("any")  # it follows the log
    for tenant in ("acme", "globex"):
        one.store_values("nodes", (tenant, ["graph"]), {"state": tenant})
    await one.flush()
    assert counts(await one.erase(tenant="acme", dry_run=True))["values"] == 1
    assert counts(await one.erase(user="acme"))["values"] == 0
    assert counts(await one.erase(tenant="acme"))["values"] == 1
    assert await one.lookup_values("nodes", ("acme", ["graph"]), ["state"]) == [None]
    assert await one.lookup_values("nodes", ("globex", ["graph"]), ["state"]) == ["globex"]


async def test_a_dry_run_counts_and_erases_nothing(fabric: CacheFabric, ask: Ask) -> None:
    request = ask(RETURN, tenant="acme")
    await answered(fabric, request)
    await fabric.set_context("prompt", "x", ContextScope.TENANT, tenant="acme")
    await fabric.track_execution("run", "graph", {}, tenant="acme")
    receipt = await fabric.erase(tenant="acme", dry_run=True)
    assert (receipt.dry_run, receipt.complete) == (True, False)
    held = {"answers": 1, "values": 0, "contexts": 1, "executions": 1, "feedback": 0}
    assert counts(receipt) == held
    assert await kept(fabric, request)
    assert await fabric.get_execution("run")


async def test_a_dry_run_counts_the_feedback_that_would_go(fabric: CacheFabric) -> None:
    for run, user, by in (("a", "ann", "ann"), ("b", "ann", "bob"), ("c", "bob", "ann")):
        await fabric.track_execution(run, "graph", {}, tenant="acme", user=user)
        await fabric.record_feedback(run, {"score": 1, "annotator_id": by})
    for subject in ({"user": "ann"}, {"user": "ann", "tenant": "acme"}, {"tenant": "acme"}):
        counted = counts(await fabric.erase(**subject, dry_run=True))
        assert counted["feedback"] == 3
    assert counts(await fabric.erase(user="ann"))["feedback"] == 3


async def test_once_more_finds_nothing_and_is_complete(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, ask(RETURN, user="alice"))
    await any_fabric.erase(user="alice")
    receipt = await any_fabric.erase(user="alice")
    assert receipt.complete
    assert not any(counts(receipt).values())


@pytest.mark.parametrize(
    ("given", "named"), [({}, "expected a user or a tenant"), ({"user": ""}, "user: expected text")]
)
async def test_nobody_is_a_mistake(fabric: CacheFabric, given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        await fabric.erase(**given)


class Away(MemoryIndex):
    """An index that another process may hold."""

    away = False

    async def delete(self, ids: Sequence[str]) -> None:
        if self.away:
            raise BackendUnavailable("index", "delete", "in use by process 7")
        await super().delete(ids)


async def test_vectors_that_could_not_go_are_said_and_go_the_next_time(ask: Ask) -> None:
    index = Away()
    async with create_cache_fabric("memory", index=index, config=PATIENT) as fabric:
        request = ask(RETURN, user="alice")
        await answered(fabric, request)
        await fabric.track_execution("run", "graph", {}, user="alice")
        index.away = True
        with pytest.raises(
            IncompleteErasure, match=r"vectors: failed.*in use by process 7"
        ) as told:
            await fabric.erase(user="alice")
        states = {place.name: place.state for place in told.value.receipt.places}
        assert not told.value.receipt.complete
        assert states["answers"] == "done"
        assert states["executions"].startswith("kept until")
        assert not await kept(fabric, request)
        assert await vectors(fabric) == 1
        index.away = False
        receipt = await fabric.erase(user="alice")
        assert receipt.complete
        assert counts(receipt)["vectors"] == counts(receipt)["executions"] == 1
        assert await vectors(fabric) == 0


class Refusing(MemoryStore):
    """Refuses to delete records while it is told to."""

    refuses = False

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        if self.refuses and any(w.value is None and w.key.startswith("c/") for w in writes):
            raise BackendUnavailable(self.name, "commit", "read only")
        return await super().commit(writes, note=note, expect=expect)


async def test_executions_are_kept_until_what_they_tell_of_is_gone() -> None:
    store = Refusing("n")
    async with create_cache_fabric("memory", store=store, config=PATIENT) as fabric:
        await fabric.track_execution("run", "graph", {}, user="alice")
        await fabric.set_context("k", "x", ContextScope.EXECUTION, execution_id="run")
        store.refuses = True
        with pytest.raises(IncompleteErasure, match=r"contexts: failed.*read only"):
            await fabric.erase(user="alice")
        assert await fabric.get_execution("run")
        store.refuses = False
        receipt = await fabric.erase(user="alice")
        assert (counts(receipt)["contexts"], counts(receipt)["executions"]) == (1, 1)


async def test_what_is_stored_meanwhile_is_not_readable_after(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    requests = [ask(f"question {number}", user="alice") for number in range(200)]
    begun = [await any_fabric.lookup(request) for request in requests]

    async def store(one: object) -> None:
        assert isinstance(one, Miss)
        await any_fabric.store(one.ticket, "x")

    await asyncio.gather(any_fabric.erase(user="alice"), *map(store, begun))
    assert not [request for request in requests if await kept(any_fabric, request)]
    assert await vectors(any_fabric) == 0


async def test_names_in_the_change_log_are_said_and_gone_when_it_says(shared: Shared) -> None:
    fabric = shared.fabric()
    await fabric.set_context("k", "x", ContextScope.USER, user="alice-canary")
    await fabric.set_context("k", "x", ContextScope.USER, user="bob")

    async def is_in_log() -> bool:
        page = await shared.store.changes(0)
        return any(b"alice-canary" in change.note for change in page.items)

    receipt = await fabric.erase(user="alice-canary")
    [said] = [r.what for r in receipt.remaining if "change log" in r.what and "name" in r.what]
    assert said.startswith("1 changes in the change log name")
    more = shared.store.log_span + 1 - (await shared.store.changes(0)).head
    assert f"until {more} more changes" in said
    for number in range(more):
        assert await is_in_log()
        await fabric.set_context("other", number)
    assert not await is_in_log()
    assert "until" not in " ".join(
        r.what for r in (await fabric.erase(user="alice-canary")).remaining if "log name" in r.what
    )


async def test_a_watch_misses_nothing_by_it(shared: Shared) -> None:
    fabric = shared.fabric()
    await fabric.set_context("k", 1, ContextScope.TENANT, tenant="acme")
    changes = fabric.watch(after=0)
    await fabric.set_context("other", 1)
    await fabric.erase(tenant="acme")
    await fabric.set_context("other", 2)
    seen = [await anext(changes) for _ in range(2)]
    assert [(c.revision, getattr(c, "version", None)) for c in seen] == [
        (2, 1),
        ((await shared.store.changes(0)).head, 2),
    ]
    await changes.aclose()


async def test_no_event_and_no_log_line_names_anybody(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Any] = []
    caplog.set_level(0)
    index = Away()
    async with create_cache_fabric("memory", index=index, hooks=[events.append]) as fabric:
        await answered(fabric, ask(RETURN, user="alice-canary"))
        await fabric.flush()
        index.away = True
        events.clear()
        caplog.clear()
        with pytest.raises(IncompleteErasure) as told:
            await fabric.erase(user="alice-canary")
        assert "canary" not in str(told.value)
        assert "canary" not in repr(events)
        assert "canary" not in caplog.text


def test_a_place_reads_as_done_unless_it_is_said() -> None:
    assert ErasedPlace(name="x", where="y", count=1).state == "done"
