"""LangGraph nodes are found again: by what a model is told, and only in their own place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy
from pydantic import BaseModel

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import FabricNodeCache, message_key
from cache_fabric.stores.memory import MemoryStore
from servers import running

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)
QUESTION: Any = {"messages": [("user", "capital?")]}
NS = ("ns",)


class Plan(BaseModel):
    """A class that no serializer knows to be safe."""

    step: int


class Away(MemoryStore):
    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        raise BackendUnavailable("memory", "get_many", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")

    async def clear(self, prefix: str) -> int:
        raise BackendUnavailable("memory", "clear", "is away")


class Hanging(MemoryStore):
    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        await asyncio.Event().wait()
        return []


class Node:
    """A node that counts its runs; it answers with the number of the run."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, state: MessagesState) -> dict[str, Any]:
        self.runs += 1
        return {"messages": [AIMessage(f"answer {self.runs}", id=f"run-{self.runs}")]}


@pytest.fixture
def patient() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", config=PATIENT)
    yield fabric
    fabric.sync.close()


@pytest.fixture
def cache(patient: CacheFabric) -> FabricNodeCache:
    return FabricNodeCache(patient)


def make_graph(
    node: Any,
    cache: FabricNodeCache,
    *,
    key: Any = message_key,
    ttl: int | None = None,
    **more: Any,
) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", node, cache_policy=CachePolicy(key_func=key, ttl=ttl))
    graph.add_edge(START, "model")
    return graph.compile(cache=cache, **more)


def last_question(state: Any) -> str:
    return str(state["messages"][-1].text)


# In a graph


def test_a_messages_state_hits_in_the_second_run(cache: FabricNodeCache) -> None:
    node = Node()
    graph = make_graph(node, cache)
    first, second = [list(graph.stream(QUESTION, stream_mode="updates")) for _ in range(2)]
    assert node.runs == 1
    assert "__metadata__" not in first[0]
    assert second[0]["__metadata__"] == {"cached": True}
    assert second[0]["model"]["messages"][0].content == "answer 1"


async def test_it_hits_without_blocking_calls(cache: FabricNodeCache) -> None:
    node = Node()
    graph = make_graph(node, cache)
    answers = [(await graph.ainvoke(QUESTION))["messages"][-1].content for _ in range(2)]
    assert answers == ["answer 1"] * 2
    assert node.runs == 1


def test_another_question_runs_the_node(cache: FabricNodeCache) -> None:
    node = Node()
    graph = make_graph(node, cache)
    graph.invoke(QUESTION)
    graph.invoke({"messages": [("user", "capital of Spain?")]})
    assert node.runs == 2


def test_a_thread_that_hits_three_times_has_six_messages(cache: FabricNodeCache) -> None:
    node = Node()
    graph = make_graph(node, cache, key=last_question, checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    for _ in range(3):
        state = graph.invoke(QUESTION, thread)
    assert node.runs == 1
    assert [message.type for message in state["messages"]] == ["human", "ai"] * 3
    assert len({message.id for message in state["messages"]}) == 6


@pytest.mark.parametrize("store", [Away, Hanging])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_broken_store_leaves_the_graph_working(store: type[MemoryStore], colour: str) -> None:
    fabric = create_cache_fabric("memory", store=store("n"))
    graph = make_graph(Node(), FabricNodeCache(fabric))
    run = graph.invoke if colour == "sync" else lambda asked: asyncio.run(graph.ainvoke(asked))
    answers = [run(QUESTION)["messages"][-1].content for _ in range(2)]
    assert answers == ["answer 1", "answer 2"]
    fabric.sync.close()


def test_a_closed_fabric_leaves_the_graph_working(patient: CacheFabric) -> None:
    graph = make_graph(Node(), FabricNodeCache(patient))
    patient.sync.close()
    assert graph.invoke(QUESTION)["messages"][-1].content == "answer 1"


# As a cache


def test_namespaces_and_keys_do_not_run_into_each_other(cache: FabricNodeCache) -> None:
    keys = [
        (("a", "b:c"), "k"),
        (("a:b", "c"), "k"),
        (("a", "b", "c"), "k"),
        (("a/b", "c"), "k"),
        (("a",), "b:c:k"),
        ((), "k"),
        (("",), "k"),
    ]
    cache.set({key: (number, None) for number, key in enumerate(keys)})
    assert cache.get(keys) == dict(zip(keys, range(len(keys)), strict=True))


def test_what_was_not_kept_is_left_out(cache: FabricNodeCache) -> None:
    cache.set({(NS, "known"): (None, None)})
    assert cache.get([(NS, "known"), (NS, "unknown")]) == {(NS, "known"): None}


def test_a_value_is_gone_after_its_time() -> None:
    now = [1_000.0]
    store = MemoryStore("n", clock=lambda: now[0])
    fabric = create_cache_fabric("memory", store=store, config=PATIENT)
    node = Node()
    graph = make_graph(node, FabricNodeCache(fabric), ttl=60)
    graph.invoke(QUESTION)
    fabric.sync.flush()
    now[0] += 59
    graph.invoke(QUESTION)
    assert node.runs == 1
    now[0] += 2
    graph.invoke(QUESTION)
    assert node.runs == 2
    fabric.sync.close()


def test_a_time_of_nothing_keeps_nothing(cache: FabricNodeCache) -> None:
    cache.set({(NS, "k"): (1, 0)})
    assert cache.get([(NS, "k")]) == {}


def test_a_namespace_is_cleared_and_no_other(patient: CacheFabric, cache: FabricNodeCache) -> None:
    patient.store_values("other", "me", {"k": 1})
    keys = [(("a",), "k"), (("a", "b"), "k"), (("ab",), "k")]
    cache.set({key: (1, None) for key in keys})
    cache.clear([("a",)])
    assert list(cache.get(keys)) == keys[1:]
    cache.clear()
    assert cache.get(keys) == {}
    assert patient.sync.lookup_values("other", "me", ["k"]) == [1]


async def test_everything_is_cleared_in_a_loop(cache: FabricNodeCache) -> None:
    await cache.aset({(NS, "k"): (1, None), (("b",), "k"): (2, None)})
    await cache.aclear([NS])
    assert await cache.aget([(NS, "k"), (("b",), "k")]) == {(("b",), "k"): 2}
    await cache.aclear()
    assert await cache.aget([(("b",), "k")]) == {}


async def test_clearing_a_store_that_fails_is_told_to_the_caller() -> None:
    async with create_cache_fabric("memory", store=Away("n")) as fabric:
        with pytest.raises(BackendUnavailable):
            await FabricNodeCache(fabric).aclear()


def test_no_two_readers_share_a_value(cache: FabricNodeCache) -> None:
    cache.set({(NS, "k"): ({"steps": [1]}, None)})
    first = cache.get([(NS, "k")])[(NS, "k")]
    first["steps"].append(2)
    assert cache.get([(NS, "k")])[(NS, "k")] == {"steps": [1]}


def test_tenants_do_not_see_each_other(patient: CacheFabric) -> None:
    one, two = FabricNodeCache(patient, tenant="one"), FabricNodeCache(patient, tenant="two")
    one.set({(NS, "k"): (1, None)})
    assert two.get([(NS, "k")]) == {}
    two.clear()
    assert one.get([(NS, "k")]) == {(NS, "k"): 1}


def test_a_fabric_that_requires_a_tenant_keeps_nothing_without_one() -> None:
    config = FabricConfig(require_tenant=True, exact_timeout=30)
    fabric = create_cache_fabric("memory", config=config)
    nobody, somebody = FabricNodeCache(fabric), FabricNodeCache(fabric, tenant="one")
    for cache in (nobody, somebody):
        cache.set({(NS, "k"): (1, None)})
    assert nobody.get([(NS, "k")]) == {}
    assert somebody.get([(NS, "k")]) == {(NS, "k"): 1}
    fabric.sync.close()


async def test_reading_does_not_block_the_loop() -> None:
    """The store answers only when the loop that waits for it has gone on."""
    went_on = threading.Event()

    class Slow(MemoryStore):
        async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
            assert await asyncio.to_thread(went_on.wait, 20)
            return await super().get_many(keys)

    fabric = create_cache_fabric("memory", store=Slow("n"), config=PATIENT)
    cache = FabricNodeCache(fabric)
    reading = asyncio.create_task(cache.aget([(NS, "k")]))
    await asyncio.sleep(0)
    went_on.set()
    assert await reading == {}
    await fabric.aclose()


# Values


def test_messages_come_back_with_fresh_ids_that_fit_together(cache: FabricNodeCache) -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "call-1"}
    said = AIMessage("", id="m1", tool_calls=[call])
    done = ToolMessage("found", id="m2", tool_call_id="call-1")
    cache.set({(NS, "k"): (deque([("messages", [said, done])]), None)})
    first, second = [cache.get([(NS, "k")])[(NS, "k")][0][1] for _ in range(2)]
    for ai, tool in (first, second):
        assert tool.tool_call_id == ai.tool_calls[0]["id"] != "call-1"
        assert (ai.tool_calls[0]["args"], tool.content) == ({"q": "x"}, "found")
    assert len({message.id for message in (*first, *second)} | {"m1", "m2"}) == 6


@pytest.mark.parametrize(
    "value",
    [
        [ToolMessage("found", tool_call_id="call-of-another-node")],
        [RemoveMessage(id="m1")],
        [ValueError("an exception would come back as text")],
        [object()],
    ],
)
def test_writes_that_mean_nothing_elsewhere_are_not_kept(
    value: list[Any], cache: FabricNodeCache
) -> None:
    cache.set({(NS, "k"): (deque([("messages", value)]), None)})
    assert cache.get([(NS, "k")]) == {}


def test_a_class_that_may_not_be_revived_is_a_counted_miss() -> None:
    events: list[Event] = []
    hooks: Any = [events.append]
    fabric = create_cache_fabric("memory", config=PATIENT, hooks=hooks)
    cache = FabricNodeCache(fabric)
    cache.set({(NS, "k"): (Plan(step=1), None)})
    assert cache.get([(NS, "k")]) == {}
    reasons = [event.reason for event in events if isinstance(event, LookupEvent)]
    assert reasons == ["a value that does not come back as it was"]
    fabric.sync.close()


def test_a_class_that_is_allowed_comes_back(patient: CacheFabric) -> None:
    serde = JsonPlusSerializer(allowed_msgpack_modules=[Plan])
    cache = FabricNodeCache(patient, serde=serde)
    cache.set({(NS, "k"): (Plan(step=1), None)})
    assert cache.get([(NS, "k")]) == {(NS, "k"): Plan(step=1)}
    # The same bytes read by a cache that does not allow it.
    assert FabricNodeCache(patient).get([(NS, "k")]) == {}


def test_a_class_that_has_changed_is_a_miss(
    patient: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changed(BaseModel):
        step: int
        note: str = ""

    cache = FabricNodeCache(patient, serde=JsonPlusSerializer(allowed_msgpack_modules=[Plan]))
    cache.set({(NS, "k"): (Plan(step=1), None)})
    Changed.__module__, Changed.__name__ = Plan.__module__, Plan.__name__
    monkeypatch.setattr(sys.modules[Plan.__module__], "Plan", Changed)
    assert cache.get([(NS, "k")]) == {}


def test_an_old_langgraph_is_told_apart(
    patient: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old:
        """As before langgraph-checkpoint 4.0.1: it revives whatever class is named."""

        def __init__(self, *, pickle_fallback: bool = False) -> None:
            pass

    monkeypatch.setattr("cache_fabric.langchain.node_cache.JsonPlusSerializer", Old)
    with pytest.raises(ConfigurationError, match="serde"):
        FabricNodeCache(patient)
    assert FabricNodeCache(patient, serde=JsonPlusSerializer()).get([]) == {}


def test_pickle_is_neither_written_nor_read(patient: CacheFabric) -> None:
    class Unwritable:
        def __reduce__(self) -> Any:
            return (print, ("executed",))

    cache = FabricNodeCache(patient, serde=JsonPlusSerializer(pickle_fallback=True))
    cache.set({(NS, "k"): (Unwritable(), None)})
    assert cache.get([(NS, "k")]) == {}
    forged = {"k": ["pickle", b"\x80\x05N."]}
    patient.store_values("nodes", (None, list(NS)), forged)
    assert cache.get([(NS, "k")]) == {}


# Shared

SECOND_PROCESS = """
import sys
from cache_fabric import FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricNodeCache
config = FabricConfig(exact_timeout=30)
with create_cache_fabric("redis", url=sys.argv[1], config=config).sync as fabric:
    cache = FabricNodeCache(fabric._fabric)
    print(cache.get([(("a", "b"), "k")])[("a", "b"), "k"])
    cache.clear([("a", "b")])
"""


def test_two_processes_share_what_redis_holds(tmp_path: Path) -> None:
    key = (("a", "b"), "k")
    with running(tmp_path) as server:
        fabric = create_cache_fabric("redis", url=server.url, config=PATIENT)
        cache = FabricNodeCache(fabric)
        cache.set({key: ({"made": "elsewhere"}, 600), (("a",), "k"): (1, None)})
        fabric.sync.flush()
        done = subprocess.run(
            [sys.executable, "-c", SECOND_PROCESS, server.url],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "{'made': 'elsewhere'}\n"
        assert cache.get([key, (("a",), "k")]) == {(("a",), "k"): 1}
        fabric.sync.close()


# Keys


def asked(*messages: AnyMessage, **state: Any) -> str:
    return message_key({"messages": list(messages), **state})


def turn(ident: str, **fields: Any) -> tuple[AIMessage, ToolMessage]:
    """A tool call and its result as one run named them."""
    call = {"name": "search", "args": {"q": "x"}, "id": f"call-{ident}"}
    said = AIMessage(
        "",
        id=f"ai-{ident}",
        tool_calls=[call],
        usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        response_metadata={"id": ident},
    )
    return said, ToolMessage("found", id=f"t-{ident}", tool_call_id=f"call-{ident}", **fields)


def test_what_differs_by_run_does_not_count() -> None:
    one = asked(HumanMessage("x", id="1"), *turn("a"), left=3)
    assert one == asked(HumanMessage("x", id="2"), *turn("b", artifact=object()), left=3)


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [HumanMessage("y")], "left": 3},
        {"messages": [HumanMessage("x", name="bob")], "left": 3},
        {"messages": [AIMessage("x")], "left": 3},
        {"messages": [HumanMessage("x"), HumanMessage("x")], "left": 3},
        {"messages": [HumanMessage("x")], "left": 4},
        {"messages": [HumanMessage("x")], "left": "3"},
        {"messages": [HumanMessage("x")], "left": 3, "more": None},
        {"messages": (HumanMessage("x"),), "left": 3},
        {"messages": HumanMessage("x"), "left": 3},
        {"messages": [{"role": "user", "content": "x"}], "left": 3},
        {"messages": [HumanMessage([{"type": "image", "base64": "eA=="}])], "left": 3},
    ],
)
def test_everything_else_counts(other: dict[str, Any]) -> None:
    assert message_key(other) != asked(HumanMessage("x"), left=3)


def test_the_order_of_a_states_fields_does_not_count() -> None:
    assert message_key({"a": 1, "b": [2]}) == message_key({"b": [2], "a": 1})


def test_the_class_of_a_state_counts() -> None:
    class Step(BaseModel):
        step: int

    assert (
        len({message_key(Plan(step=1)), message_key(Step(step=1)), message_key({"step": 1})}) == 3
    )
    assert message_key(Plan(step=1)) == message_key(Plan(step=1)) != message_key(Plan(step=2))


@pytest.mark.parametrize("odd", [object(), float("nan"), {1: 2}, RemoveMessage(id="x")])
def test_a_state_without_a_stable_key_never_hits(odd: Any) -> None:
    assert message_key({"odd": [odd]}) != message_key({"odd": [odd]})


def test_keys_are_the_same_in_another_process() -> None:
    state = "{'messages': [HumanMessage('x'), AIMessage('y')], 'tags': {'a', 'b', 'c'}}"
    program = f"""
from langchain_core.messages import AIMessage, HumanMessage
from cache_fabric.langchain import message_key
print(message_key({state}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    here = asked(HumanMessage("x"), AIMessage("y"), tags={"a", "b", "c"})
    assert done.stdout.strip() == here


def test_a_hanging_store_costs_no_more_than_its_budget() -> None:
    """Also where many nodes, each a namespace of its own, are asked for at once."""
    fabric = create_cache_fabric("memory", store=Hanging("n"))
    cache = FabricNodeCache(fabric)
    cache.get([(NS, "k")])  # the first use may wait for the store to open
    started = time.monotonic()
    cache.get([((str(number),), "k") for number in range(20)])
    assert time.monotonic() - started < 0.05 + 0.45
    fabric.sync.close()
