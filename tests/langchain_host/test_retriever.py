"""A cached retriever gives the same query the same documents for a while, within one run."""

from __future__ import annotations

import asyncio
import datetime
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import PrivateAttr

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.codec import pack, unpack
from cache_fabric.errors import (
    BackendUnavailable,
    CodecError,
    ConfigurationError,
    NotCacheable,
    ValidationError,
)
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import cached_retriever
from cache_fabric.langchain._documents import read_documents, to_answer
from cache_fabric.stores.memory import MemoryStore

Pair = tuple[CacheFabric, CacheFabric]


def found(query: str, k: int) -> list[Document]:
    return [
        Document(f"{query} {n}", metadata={"rank": n, "score": 0.1, "tags": ["a"]}, id=f"d{n}")
        for n in range(k)
    ]


class CountingRetriever(BaseRetriever):
    """Notes its queries; finds ``k`` documents."""

    k: int = 3

    _asked: list[str] = PrivateAttr(default_factory=list)
    _find: Callable[[str, int], list[Document]] = PrivateAttr(default_factory=lambda: found)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        self._asked.append(query)
        return self._find(query, kwargs.get("k", self.k))


class OldRetriever(BaseRetriever):
    """Takes neither a run manager nor arguments, as retrievers once did."""

    def _get_relevant_documents(self, query: str) -> list[Document]:  # type: ignore[override]
        return found(query, 1)


def finding(find: Callable[[str, int], list[Document]]) -> CountingRetriever:
    retriever = CountingRetriever()
    retriever._find = find
    return retriever


@pytest.fixture
def retriever() -> CountingRetriever:
    return CountingRetriever()


# Hits


def test_the_same_query_has_the_same_documents(
    fabric: CacheFabric, retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, fabric, ttl=60)
    for _ in range(2):
        assert cached.invoke("tax") == found("tax", 3)
    fabric.sync.flush()
    assert cached.batch(["tax", "tax"]) == [found("tax", 3)] * 2
    assert retriever._asked == ["tax"]


def test_documents_save_time_and_no_tokens(
    fabric: CacheFabric, retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, fabric, ttl=60)
    for _ in range(3):
        cached.invoke("tax")
    found = fabric.sync.get_metrics()
    assert (found["hits"], found["tokens_avoided"], found["tokens_spent"]) == (2, 0, 0)
    assert found["speedup"] is not None
    assert (found["pricing_coverage"], found["unpriced_models"]) == (None, {})


async def test_it_is_so_in_a_loop(afabric: CacheFabric, retriever: CountingRetriever) -> None:
    cached = cached_retriever(retriever, afabric, ttl=60)
    for _ in range(2):
        assert await cached.ainvoke("tax") == found("tax", 3)
    assert await cached.abatch(["tax", "tax"]) == [found("tax", 3)] * 2
    assert retriever._asked == ["tax"]


def test_two_processes_share_what_was_found(pair: Pair) -> None:
    retrievers = CountingRetriever(), CountingRetriever()
    one, two = [
        cached_retriever(r, f, ttl=60, tenant="acme") for r, f in zip(retrievers, pair, strict=True)
    ]
    one.invoke("tax")
    pair[0].sync.flush()
    assert two.invoke("tax") == found("tax", 3)
    assert retrievers[1]._asked == []


def test_a_query_is_compared_byte_for_byte(retriever: CountingRetriever) -> None:
    fabric = create_cache_fabric("memory", policy=Threshold(0.1))
    cached = cached_retriever(retriever, fabric, ttl=60)
    queries = ["How do I pay tax?", "how do I pay tax?", "How do I pay tax? ", "How to pay tax?"]
    for _ in range(2):
        for query in queries:
            assert cached.invoke(query) == found(query, 3)
    assert retriever._asked == queries
    fabric.sync.close()


def test_every_answer_is_a_private_copy(exact: CacheFabric, retriever: CountingRetriever) -> None:
    cached = cached_retriever(retriever, exact, ttl=60)
    for _ in range(3):
        documents = cached.invoke("tax")
        assert documents == found("tax", 3)
        documents[0].metadata["tags"].append("poison")
        documents[0].page_content = "poison"
        documents.pop()


def test_documents_are_served_until_their_time_is_over(
    retriever: CountingRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FabricConfig(ttl_jitter=0, ttl=5, exact_timeout=30)
    fabric = create_cache_fabric("memory", config=config)
    cached = cached_retriever(retriever, fabric, ttl=60)
    now, asked = time.time(), []
    for later in (0, 59, 61):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        cached.invoke("tax")
        asked.append(len(retriever._asked))
    assert asked == [1, 1, 2]
    fabric.sync.close()


def test_an_index_that_changed_can_be_told(
    exact: CacheFabric, retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, exact, ttl=60, name="docs")
    cached.invoke("tax")
    exact.sync.invalidate(model="retriever:docs")
    cached.invoke("tax")
    assert len(retriever._asked) == 2


# What is in the key


@pytest.mark.parametrize(
    ("changes", "options", "search"),
    [
        ({"k": 2}, {}, {}),
        ({}, {"tenant": "other"}, {}),
        ({}, {"tenant": None}, {}),
        ({}, {"name": "other"}, {}),
        ({}, {}, {"k": 2}),
        ({}, {}, {"filter": {"lang": "de"}}),
    ],
)
def test_every_change_of_what_is_searched_misses(
    exact: CacheFabric, changes: Any, options: Any, search: Any
) -> None:
    same: dict[str, Any] = {"ttl": 60, "tenant": "acme", "name": "docs"}
    cached_retriever(CountingRetriever(), exact, **same).invoke("tax")
    again, other = CountingRetriever(), CountingRetriever(**changes)
    cached_retriever(again, exact, **same).invoke("tax")
    cached_retriever(other, exact, **{**same, **options}).invoke("tax", **search)
    assert again._asked == []
    assert other._asked == ["tax"]


def test_a_retriever_that_is_changed_is_another_one(
    exact: CacheFabric, retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, exact, ttl=60)
    for k in (3, 2, 3):
        retriever.k = k
        assert cached.invoke("tax") == found("tax", k)
    assert len(retriever._asked) == 2


def test_an_argument_without_a_stable_form_bypasses_the_cache(
    exact: CacheFabric, events: list[Event], retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, exact, ttl=60)
    for _ in range(2):
        assert cached.invoke("tax", filter=lambda document: True) == found("tax", 3)
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["bypass"] * 2


def test_arguments_that_the_retriever_never_sees_are_not_in_the_key(exact: CacheFabric) -> None:
    cached = cached_retriever(OldRetriever(), exact, ttl=60)
    assert cached.invoke("tax", k=1) == cached.invoke("tax") == found("tax", 1)
    assert exact.sync.get_metrics()["hits"] == 1


def stored(*texts: str) -> InMemoryVectorStore:
    return InMemoryVectorStore.from_texts(list(texts), DeterministicFakeEmbedding(size=4))


def test_a_vector_store_needs_a_name(exact: CacheFabric) -> None:
    store = stored("a", "b", "c")
    inner = store.as_retriever(search_kwargs={"k": 2})
    with pytest.raises(
        ConfigurationError, match=r"^retriever: .*VectorStoreRetriever.vectorstore.*name="
    ):
        cached_retriever(inner, exact, ttl=60)
    cached = cached_retriever(inner, exact, ttl=60, name="docs")
    wider = cached_retriever(store.as_retriever(search_kwargs={"k": 3}), exact, ttl=60, name="docs")
    assert cached.invoke("a") == cached.invoke("a") == inner.invoke("a")
    assert [len(r.invoke("a")) for r in (cached, wider)] == [2, 3]
    assert exact.sync.get_metrics()["hits"] == 2


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"ttl": None}, "ttl"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": "1"}, "ttl"),
        ({"name": ""}, "name"),
        ({"retriever": "docs"}, "retriever"),
    ],
)
def test_arguments_that_are_not_usable_are_named(
    exact: CacheFabric, retriever: CountingRetriever, bad: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError, match=field):
        cached_retriever(**{"retriever": retriever, "fabric": exact, "ttl": 60, **bad})


def test_without_a_tenant_a_fabric_that_requires_one_is_bypassed(
    retriever: CountingRetriever,
) -> None:
    fabric = create_cache_fabric("memory", config=FabricConfig(require_tenant=True))
    for tenant in (None, "acme"):
        cached = cached_retriever(retriever, fabric, ttl=60, tenant=tenant)
        cached.invoke("tax")
        cached.invoke("tax")
    assert len(retriever._asked) == 3
    fabric.sync.close()


# What is kept


class Special(Document):
    """A kind of document of somebody's own."""


@pytest.mark.parametrize(
    ("document", "odd"),
    [
        (Document("x", metadata={"at": datetime.date(2026, 1, 1)}), "metadata.at is date"),
        (Document("x", metadata={"a": [{"b": (1, 2)}]}), r"metadata.a\[0\].b is tuple"),
        (Document("x", metadata={"score": np.float32(1)}), "metadata.score is float32"),
        (Document("x", metadata={"score": np.float64(1)}), "metadata.score is float64"),
        (Document("x", metadata={"n": 2**70}), "metadata.n is int"),
        (Document("x", metadata={"by": {1: "a"}}), "metadata.by is dict"),
        (Special(page_content="x"), "Special"),
    ],
)
def test_documents_that_plain_data_cannot_say_are_not_kept(
    exact: CacheFabric, events: list[Event], document: Document, odd: str
) -> None:
    retriever = finding(lambda query, k: [document])
    cached = cached_retriever(retriever, exact, ttl=60)
    for _ in range(2):
        assert cached.invoke("tax")[0] is document
    assert len(retriever._asked) == 2
    reasons = [e.reason for e in events if isinstance(e, StoreEvent) and e.outcome == "refused"]
    assert len(reasons) == 2
    assert re.search(odd, reasons[0])


def test_nothing_found_is_looked_for_again(exact: CacheFabric) -> None:
    retriever = CountingRetriever(k=0)
    cached = cached_retriever(retriever, exact, ttl=60)
    assert cached.invoke("tax") == cached.invoke("tax") == []
    assert len(retriever._asked) == 2


PLAIN = st.recursive(
    st.none() | st.booleans() | st.text() | st.binary() | st.floats(allow_nan=False)
    | st.integers(-(2**63) + 1, 2**63 - 1),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), PLAIN), st.none() | st.text()),
                min_size=1, max_size=4))  # fmt: skip
def test_plain_documents_come_back_as_they_were(parts: list[Any]) -> None:
    documents = [Document(text, metadata=data, id=name) for text, data, name in parts]
    answer = to_answer(documents)
    assert answer.error is None
    try:
        data = pack(answer.payload, b"secret")
    except NotCacheable:
        assert "\\ud" in ascii(parts)  # a lone surrogate, which is refused when it is packed
        return
    back = read_documents(unpack(data, b"secret"))
    assert repr(back) == repr(documents)  # which tells True from 1 and 1 from 1.0


@pytest.mark.parametrize("payload", [None, {}, {"documents": [["x"]]}, {"documents": [[1, 2, 3]]}])
def test_a_foreign_payload_is_a_codec_error(payload: Any) -> None:
    with pytest.raises(CodecError):
        read_documents(payload)


# Runs


class Runs(BaseCallbackHandler):
    run_inline = True

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_retriever_start(self, serialized: Any, query: str, **known: Any) -> None:
        metadata = known["metadata"] or {}
        names = ("ls_retriever_name", "ls_vector_store_provider", "team")
        marks = tuple(metadata.get(name) for name in names)
        self.seen.append(("start", query, known["name"], tuple(known["tags"] or ()), marks))

    def on_retriever_end(self, documents: Any, **known: Any) -> None:
        self.seen.append(("end", len(documents)))

    def on_retriever_error(self, error: BaseException, **known: Any) -> None:
        self.seen.append(("error", type(error)))


def test_a_hit_and_a_miss_are_the_run_that_the_retriever_has_itself(exact: CacheFabric) -> None:
    retriever = CountingRetriever(tags=["docs"], metadata={"team": "search"})
    plain, miss, hit = Runs(), Runs(), Runs()
    retriever.invoke("tax", {"callbacks": [plain]})
    cached = cached_retriever(retriever, exact, ttl=60)
    cached.invoke("tax", {"callbacks": [miss]})
    cached.invoke("tax", {"callbacks": [hit]})
    assert plain.seen == miss.seen == hit.seen
    assert plain.seen == [
        ("start", "tax", "CountingRetriever", ("docs",), ("counting", None, "search")),
        ("end", 3),
    ]


async def test_it_is_the_same_run_in_a_loop(exact: CacheFabric) -> None:
    retriever = stored("a", "b").as_retriever()
    plain, miss, hit = Runs(), Runs(), Runs()
    await retriever.ainvoke("tax", {"callbacks": [plain]})
    cached = cached_retriever(retriever, exact, ttl=60, name="docs")
    await cached.ainvoke("tax", {"callbacks": [miss]})
    await cached.ainvoke("tax", {"callbacks": [hit]})
    assert plain.seen == miss.seen == hit.seen
    assert plain.seen[0][-1][1] == "InMemoryVectorStore"
    assert exact.sync.get_metrics()["hits"] == 1


def test_the_retriever_hears_of_the_run_it_is_in(exact: CacheFabric) -> None:
    class Tracing(CountingRetriever):
        _runs: list[Any] = PrivateAttr(default_factory=list)

        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
        ) -> list[Document]:
            self._runs.append(run_manager.run_id)
            return found(query, 1)

    class Ids(BaseCallbackHandler):
        run_inline = True
        seen: Any = None

        def on_retriever_start(self, *args: Any, run_id: Any, **known: Any) -> None:
            self.seen = run_id

    retriever, runs = Tracing(), Ids()
    cached_retriever(retriever, exact, ttl=60, name="t").invoke("tax", {"callbacks": [runs]})
    assert retriever._runs == [runs.seen]


# Concurrency and faults


def test_identical_queries_at_one_time_are_one_call(exact: CacheFabric) -> None:
    entered, go = threading.Event(), threading.Event()

    def find(query: str, k: int) -> list[Document]:
        entered.set()
        assert go.wait(30)
        return found(query, k)

    retriever = finding(find)
    cached = cached_retriever(retriever, exact, ttl=60)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(cached.invoke, "tax")
        assert entered.wait(30)
        others = [pool.submit(cached.invoke, "tax") for _ in range(7)]
        go.set()
        assert [call.result(30) for call in (first, *others)] == [found("tax", 3)] * 8
    assert retriever._asked == ["tax"]


def failing(error: BaseException) -> CountingRetriever:
    def find(query: str, k: int) -> list[Document]:
        raise error

    return finding(find)


def test_an_error_of_the_retriever_is_the_callers_and_the_next_call_asks_again(
    exact: CacheFabric,
) -> None:
    retriever, runs = failing(ZeroDivisionError()), Runs()
    cached = cached_retriever(retriever, exact, ttl=60)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cached.invoke("tax", {"callbacks": [runs]})
    assert [seen for seen in runs.seen if seen[0] == "error"] == [("error", ZeroDivisionError)] * 2
    retriever._find = found
    assert cached.invoke("tax") == found("tax", 3)


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
async def test_a_lease_is_given_back_when_the_retriever_fails(
    exact: CacheFabric, events: list[Event], error: BaseException
) -> None:
    cached = cached_retriever(failing(error), exact, ttl=60)
    with pytest.raises(type(error)):
        await asyncio.to_thread(cached.invoke, "tax")
    assert [e.outcome for e in events if isinstance(e, StoreEvent)] == ["released"]


async def test_a_cancelled_retrieval_frees_those_who_wait(exact: CacheFabric) -> None:
    entered = asyncio.Event()

    class Slow(CountingRetriever):
        async def _aget_relevant_documents(
            self, query: str, *, run_manager: Any, **kwargs: Any
        ) -> list[Document]:
            self._asked.append(query)
            if len(self._asked) == 1:
                entered.set()
                await asyncio.Event().wait()
            return found(query, self.k)

    retriever = Slow()
    cached = cached_retriever(retriever, exact, ttl=60, name="slow")
    leader = asyncio.create_task(cached.ainvoke("tax"))
    await entered.wait()
    follower = asyncio.create_task(cached.ainvoke("tax"))
    leader.cancel()
    assert await asyncio.wait_for(follower, 30) == found("tax", 3)
    with pytest.raises(asyncio.CancelledError):
        await leader


def test_expired_documents_stand_in_for_a_failed_retrieval_where_that_is_allowed(
    retriever: CountingRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FabricConfig(ttl_jitter=0, stale_if_error=600, exact_timeout=30)
    fabric = create_cache_fabric("memory", config=config)
    cached = cached_retriever(retriever, fabric, ttl=60)
    cached.invoke("tax")
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    retriever._find = failing(ZeroDivisionError())._find
    assert cached.invoke("tax") == found("tax", 3)
    with pytest.raises(ZeroDivisionError):
        cached.invoke("another query")
    retriever._find = failing(KeyboardInterrupt())._find
    with pytest.raises(KeyboardInterrupt):
        cached.invoke("tax")
    fabric.sync.close()


class RaisingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        raise BackendUnavailable("memory", "get", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class HangingStore(MemoryStore):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        return None


@pytest.fixture(params=[RaisingStore, HangingStore])
def faulty(request: pytest.FixtureRequest) -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=request.param("faulty"))
    yield fabric
    fabric.sync.close()


def test_a_store_that_raises_or_hangs_is_a_counted_miss(
    faulty: CacheFabric, retriever: CountingRetriever
) -> None:
    assert cached_retriever(retriever, faulty, ttl=60).invoke("tax") == found("tax", 3)
    assert faulty.sync.get_metrics()["degraded"] == {"store": 1}


def test_a_hanging_store_delays_a_call_by_less_than_a_tenth_of_a_second(
    retriever: CountingRetriever,
) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=HangingStore("n"))
    cached = cached_retriever(retriever, fabric, ttl=60)
    delays = []
    for number in range(4):  # a machine may be busy; after five the store is left alone
        started = time.monotonic()
        cached.invoke(f"tax {number}")
        delays.append(time.monotonic() - started)
    assert min(delays) < 0.1
    fabric.sync.close()


async def test_it_is_so_in_a_loop_too(faulty: CacheFabric, retriever: CountingRetriever) -> None:
    assert await cached_retriever(retriever, faulty, ttl=60).ainvoke("tax") == found("tax", 3)
    assert faulty.sync.get_metrics()["degraded"] == {"store": 1}


async def test_a_closed_fabric_is_counted(
    exact: CacheFabric, events: list[Event], retriever: CountingRetriever
) -> None:
    cached = cached_retriever(retriever, exact, ttl=60)
    await exact.aclose()
    assert cached.invoke("tax") == await cached.ainvoke("tax") == found("tax", 3)
    reasons = [event.reason for event in events if isinstance(event, LookupEvent)]
    assert reasons == ["host error: FabricClosedError"] * 2


async def test_a_blocking_call_on_the_loop_that_the_fabric_adopted(
    retriever: CountingRetriever,
) -> None:
    async with create_cache_fabric("memory") as fabric:
        cached = cached_retriever(retriever, fabric, ttl=60)
        assert cached.invoke("tax") == found("tax", 3)


# LangChain's own suite


class TestSuite(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def own_fabric(self, exact: CacheFabric) -> None:
        self.fabric = exact

    @property
    def retriever_constructor(self) -> Any:
        return lambda **fields: cached_retriever(CountingRetriever(**fields), self.fabric, ttl=60)

    @property
    def retriever_query_example(self) -> str:
        return "tax"


class TestSuiteWarm(TestSuite):
    @pytest.fixture(autouse=True)
    def own_fabric(self, exact: CacheFabric) -> None:
        self.fabric = exact
        for k in (1, 3):
            self.retriever_constructor(k=k).invoke("tax")
            self.retriever_constructor().invoke("tax", k=k)
