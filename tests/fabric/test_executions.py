"""Executions are kept as they were handed in, and found by what they are and say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broken_stores import DeadStore, HungStore
from cache_fabric import CacheFabric, CacheRequest, ExactOnly, Hit, Miss, create_cache_fabric
from cache_fabric import executions as executions_module
from cache_fabric.errors import (
    BackendTimeout,
    BackendUnavailable,
    CodecError,
    FabricClosedError,
    ValidationError,
)
from cache_fabric.execution_terms import Sought
from cache_fabric.stores.documents import Document, Query
from cache_fabric.subject import Subject

LONG = "You are the support of a shop that sells tents. " * 90


async def found(fabric: CacheFabric, text: str | None = None, **filters: Any) -> str:
    return "".join(e.execution_id for e in await fabric.search_executions(text, **filters))


async def test_every_filter_finds_its_own(any_fabric: CacheFabric) -> None:
    fabric = any_fabric
    before = datetime.now(UTC)
    await fabric.track_execution(
        "a",
        "support",
        {
            "status": "success",
            "agent": "billing",
            "conversation": "c-1",
            "input": "Where is my Zelt?",
            "output": "On its way.",
            "cost": 0.25,
            "contexts": [{"key": "router", "version": 3}],
            "cache": [{"outcome": "hit", "tier": "exact", "entry_id": "e.1"}],
        },
        tags=["eu", "vip"],
        tenant="acme",
        user="ann",
    )
    await fabric.track_execution(
        "b",
        "review",
        {
            "status": "error",
            "thread_id": "t-2",
            "error": {"message": "no such café"},
            "cost": 0.5,
            "steps": [{"cache": {"outcome": "bypass", "reason": "n"}}],
        },
        tenant="other",
        user="ann",
    )
    assert await found(fabric) == "ba"
    finds_a: list[dict[str, Any]] = [
        {"graph": "support"},
        {"agent": "billing"},
        {"conversation": "c-1"},
        {"status": "success"},
        {"tag": "vip"},
        {"tenant": "acme", "user": "ann"},
        {"outcome": "hit"},
        {"context": "router"},
        {"context": "router@3"},
        {"max_cost": 0.25},
        {"text": "zelt WHERE"},
        {"text": "support"},
    ]
    for filters in finds_a:
        assert await found(fabric, **filters) == "a", filters
    finds_b: list[dict[str, Any]] = [
        {"conversation": "t-2"},
        {"outcome": "bypass"},
        {"min_cost": 0.3},
        {"text": "cafe"},
        {"tenant": "other", "user": "ann"},
    ]
    for filters in finds_b:
        assert await found(fabric, **filters) == "b", filters
    finds_none: list[dict[str, Any]] = [
        {"context": "router@4"},
        {"graph": "support", "status": "error"},
        {"text": "zelt café"},
        {"until": before},
        {"since": datetime.now(UTC) + timedelta(hours=1)},
        {"min_score": 0.0},
        {"feedback": "bad"},
    ]
    for filters in finds_none:
        assert await found(fabric, **filters) == "", filters


async def test_pages_follow_one_another(any_fabric: CacheFabric) -> None:
    for number in range(7):
        await any_fabric.track_execution(f"{number}", "g", {})
    pages, cursor = [], None
    while True:
        page = await any_fabric.search_executions(limit=3, cursor=cursor)
        pages.append([e.execution_id for e in page])
        cursor = page.cursor
        if cursor is None:
            break
    assert [name for page in pages for name in page] == list("6543210")
    assert max(len(page) for page in pages) == 3


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"outcome": "maybe"}, "outcome"),
        ({"feedback": "fine"}, "feedback"),
        ({"since": datetime(2026, 1, 1)}, "since"),
        ({"until": "yesterday"}, "until"),
        ({"min_cost": "much"}, "min_cost"),
        ({"max_score": float("nan")}, "max_score"),
        ({"graph": ""}, "graph"),
        ({"text": 5}, "text"),
        ({"text": "?!"}, "text"),
        ({"like": " "}, "like"),
        ({"like": 5}, "like"),
        ({"like": "tent", "cursor": "x"}, "cursor"),
    ],
)
async def test_a_filter_that_is_none_is_told(
    fabric: CacheFabric, filters: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await fabric.search_executions(**filters)
    assert caught.value.field == field


async def test_a_long_text_is_kept_once_however_many_runs_repeat_it(
    any_fabric: CacheFabric,
) -> None:
    fabric = any_fabric
    states = [
        {"input": {"system": LONG, "question": f"Where is parcel {n}?"}, "output": LONG}
        for n in range(20)
    ]
    for number, state in enumerate(states):
        await fabric.track_execution(f"{number}", "g", state, tenant="acme")
    await fabric.track_execution("other", "g", states[0], tenant="other")
    await fabric.flush()
    documents = fabric._life().parts.store.documents

    async def sizes() -> list[int]:
        found = await documents.find("x", Query(), limit=100)
        return [len(value) for _, value in found.items]

    assert max(await fabric._life().portal.run(sizes)) < 1000
    for number, state in enumerate(states):
        execution = await fabric.get_execution(f"{number}")
        assert execution is not None
        assert execution.state == state
    assert len(await fabric.search_executions("shop sells tents", tenant="acme")) == 20
    assert len(await fabric.search_executions("shop sells tents")) == 21


async def test_what_was_handed_in_says_which_answers_it_was_given(
    fabric: CacheFabric, ask: Callable[..., CacheRequest]
) -> None:
    miss = await fabric.lookup(ask("Where is my parcel?"))
    assert isinstance(miss, Miss)
    entry = await fabric.store(miss.ticket, "On its way.")
    hit = await fabric.lookup(ask("Where is my parcel?"))
    assert isinstance(hit, Hit)
    state = {"cache": {"outcome": "bypass", "reason": "asked for"}}
    await fabric.track_execution("a", "g", state, answers=[hit, entry, None])
    fabric.track_soon("b", "g", {}, answers=[miss])
    execution = await fabric.get_execution("a")
    assert execution is not None
    assert [(s.outcome, s.entry_id) for s in execution.answers] == [("hit", entry), ("miss", entry)]
    assert state == {"cache": {"outcome": "bypass", "reason": "asked for"}}
    assert await found(fabric, outcome="bypass") == "a"
    assert await found(fabric, outcome="miss") == "ba"
    with pytest.raises(ValidationError, match="answers"):
        await fabric.track_execution("c", "g", {}, answers=[5])  # type: ignore[list-item]
    for one in (hit, entry):
        with pytest.raises(ValidationError, match="answers: expected a list"):
            await fabric.track_execution("c", "g", {}, answers=one)  # type: ignore[arg-type]


async def test_a_started_run_says_at_its_end_which_answers_it_was_given(
    fabric: CacheFabric, ask: Callable[..., CacheRequest]
) -> None:
    miss = await fabric.lookup(ask("Where is my parcel?"))
    assert isinstance(miss, Miss)
    entry = await fabric.store(miss.ticket, "On its way.")
    hit = await fabric.lookup(ask("Where is my parcel?"))
    run = fabric.start_execution("g")
    assert run.finish("On its way.", answers=[hit, entry])
    execution = await fabric.get_execution(run.execution_id)
    assert execution is not None
    assert [(s.outcome, s.entry_id) for s in execution.answers] == [("hit", entry), ("miss", entry)]
    odd = fabric.start_execution("g")
    assert odd.finish("done", answers=[object()])  # type: ignore[list-item]
    ended = await fabric.get_execution(odd.execution_id)
    assert ended is not None
    assert (ended.status, ended.answers) == ("success", ())


async def test_one_text_is_no_list_of_tags(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="tags: expected a list"):
        await fabric.track_execution("a", "g", {}, tags="eu")
    with pytest.raises(ValidationError, match="tags: expected a list"):
        fabric.start_execution("g", tags="eu")
    fabric.track_soon("a", "g", {}, tags="eu")
    await fabric.flush()
    assert await fabric.get_execution("a") is None


async def test_a_second_try_is_the_same_execution(any_fabric: CacheFabric) -> None:
    for status in ("running", "success", "success"):
        await any_fabric.track_execution("a", "g", {"status": status}, durable=True)
    any_fabric.track_soon("a", "g", {"status": "first"})
    any_fabric.track_soon("a", "g", {"status": "last"})
    (execution,) = await any_fabric.search_executions()
    assert execution.status == "last"


async def test_a_durable_write_names_what_it_survives(any_fabric: CacheFabric) -> None:
    store = any_fabric._life().parts.store
    execution = await any_fabric.track_execution("a", "g", {"output": 1}, durable=True)
    assert execution.durability == store.durability
    assert {"memory": "memory", "sqlite": "process"}.get(store.name, store.durability) == (
        execution.durability
    )
    behind = await any_fabric.track_execution("b", "g", {})
    assert behind.durability is None


async def test_a_durable_write_that_fails_says_so() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=DeadStore("dead"))
    for _ in range(10):  # also once the store is left alone
        with pytest.raises(BackendUnavailable, match="is away"):
            await fabric.track_execution("a", "g", {}, durable=True)
    await fabric.aclose()


async def test_a_durable_write_waits_for_a_hung_store_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executions_module, "_PATIENCE", 0.05)
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=HungStore("hung"))
    with pytest.raises(BackendTimeout):
        await fabric.track_execution("a", "g", {}, durable=True)
    await fabric.aclose()


async def test_a_waiting_caller_is_answered_when_the_fabric_closes() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=HungStore("hung"))
    life = fabric._life()
    fabric.track_soon("first", "g", {})
    waiting = asyncio.create_task(fabric.track_execution("a", "g", {}, durable=True))
    while len(life.tracking.queue) + life.tracking.queue._ended < 1:
        await asyncio.sleep(0)
    await life.portal.run(lambda: life.close(patience=0.1))
    await asyncio.to_thread(life.portal.close)
    with pytest.raises((FabricClosedError, asyncio.CancelledError)):
        await waiting


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("", "g", {}), "execution_id"),
        (("a", None, {}), "graph_name"),
        (("a", "g", [1]), "state"),
        (("a", "g", {"x": object()}), "state.x"),
    ],
)
async def test_what_cannot_be_kept_is_told_to_who_can_hear_it(
    fabric: CacheFabric, arguments: Any, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await fabric.track_execution(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("state", [{"x": float("nan")}, {"x": {1: 2}}, {"x": "y" * 2**21}])
async def test_a_durable_write_tells_every_fault_of_a_state(
    fabric: CacheFabric, state: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match="state"):
        await fabric.track_execution("a", "g", state, durable=True)
    assert await fabric.get_execution("a") is None


async def test_what_cannot_be_read_is_passed_over_in_a_search_and_told_by_its_id(
    any_fabric: CacheFabric,
) -> None:
    await any_fabric.track_execution("a", "g", {"output": "fine"}, durable=True)
    life = any_fabric._life()
    junk = Document(key="b", value=b"junk", at=2e9, terms=frozenset({("graph", "g")}))
    await life.portal.run(lambda: life.parts.store.documents.put("x", [junk]))
    assert await found(any_fabric, graph="g") == "a"
    with pytest.raises(CodecError):
        await any_fabric.get_execution("b")


async def test_another_secret_reads_none_of_it(fabric: CacheFabric) -> None:
    store = fabric._life().parts.store
    await fabric.track_execution("a", "g", {"output": LONG}, durable=True)
    life = fabric._life()
    execution_documents = life.tracking.executions._kept
    execution_documents._secret = b"another"
    assert await found(fabric) == ""
    assert store is life.parts.store


async def test_erasing_a_subject_takes_its_runs_and_nobody_else_s(any_fabric: CacheFabric) -> None:
    fabric = any_fabric
    for name, tenant, user in (("a", "acme", "ann"), ("b", "acme", "bob"), ("c", "other", "ann")):
        state = {"input": f"What does {name} want?"}
        await fabric.track_execution(name, "g", state, tenant=tenant, user=user)
    run = fabric.start_execution("g", execution_id="d", tenant="acme", user="ann", input="d?")
    run.step("tool", "search")
    await fabric.flush()
    await fabric.record_feedback("a", {"comment": "thanks"})
    life = fabric._life()

    async def erase(subject: Subject) -> int:
        return await life.portal.run(lambda: life.tracking.executions.erase(subject))

    assert await erase(Subject(tenant="acme", user="ann")) == 2
    assert await found(fabric) == "cb"
    documents = life.parts.store.documents
    assert await life.portal.run(lambda: documents.count("f", Query())) == 0
    like = await fabric.search_executions(like="What does a want?")
    assert {e.execution_id for e in like} == {"b", "c"}
    questions = life.engine.semantic.questions
    assert await life.portal.run(lambda: life.parts.index.count(questions)) == 2
    assert await erase(Subject(user="ann")) == 1
    assert await found(fabric) == "b"


def test_threads_read_what_they_wrote() -> None:
    with create_cache_fabric("memory", policy=ExactOnly()).sync as fabric:
        missing: list[str] = []

        def work(thread: int) -> None:
            for number in range(50):
                name = f"{thread}-{number}"
                fabric.track_execution(name, "g", {})
                if number % 10 == 0 and fabric.get_execution(name) is None:
                    missing.append(name)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert missing == []
        assert fabric.inspect().executions == 400


async def test_lookups_take_turns_with_the_reading_of_many_runs(fabric: CacheFabric) -> None:
    for number in range(320):
        fabric.track_soon(f"{number}", "g", {"input": "x" * 600})
    await fabric.flush()

    async def turns(life: Any) -> int:
        reading = asyncio.create_task(life.tracking.executions.search(Sought(), 320, None))
        taken = 0
        while not reading.done():
            taken += 1
            await asyncio.sleep(0)
        assert len(await reading) == 320
        return taken

    assert await fabric._run(turns) >= 3 * 320 // 32
